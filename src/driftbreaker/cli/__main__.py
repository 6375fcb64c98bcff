"""`python -m driftbreaker.cli`, the same as `driftbreaker`."""

from driftbreaker.cli import main

main()
