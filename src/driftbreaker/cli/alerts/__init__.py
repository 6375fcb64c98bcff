"""`driftbreaker alerts`: the way to the pager, without a database."""
