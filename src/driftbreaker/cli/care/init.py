"""The command `driftbreaker init`."""

from __future__ import annotations

import click

from driftbreaker.cli.database import database_option, open_database
from driftbreaker.cli.exits import CannotTell
from driftbreaker.cli.options import DATABASE
from driftbreaker.cli.text import say, tell


@click.command()
@database_option
def init(url: str | None) -> None:
    """Make the tables that are missing, and print the code that a service needs.

    The code goes to stdout and runs as it is: driftbreaker init > pricing.py
    """
    with open_database(url, may_make=True) as database:
        from driftbreaker.cli.care.schema import found_in, make, tell_made
        from driftbreaker.cli.care.snippet import SNIPPET

        made = make(database)
        differences = found_in(database)
        tell_made(made, database)
    if differences:
        raise CannotTell(f"the tables are another version's: {differences[0]}: see driftbreaker schema verify")
    say(SNIPPET.rstrip("\n"))
    tell(f"It reads {DATABASE}. Run it three times, and see: driftbreaker list. Before production: driftbreaker doctor")
