"""`python -m driftbreaker`, the same as `driftbreaker`."""

from driftbreaker.cli import main

main()
