"""`driftbreaker relay`: the process that sends alerts."""
