"""`driftbreaker outbox`: which alerts fire or wait, and sending them again."""
