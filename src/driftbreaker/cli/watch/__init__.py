"""`driftbreaker watch`: breakers as they change."""
