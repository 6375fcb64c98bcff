"""`driftbreaker demo --service`: a service in several processes, and how each of them hears of a trip."""
