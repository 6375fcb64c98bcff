"""The command `driftbreaker init`."""

from __future__ import annotations

import click

from driftbreaker.cli.database import database_option, json_option, open_database
from driftbreaker.cli.exits import CannotTell
from driftbreaker.cli.options import DATABASE
from driftbreaker.cli.people import dry_run_option
from driftbreaker.cli.text import as_json as render
from driftbreaker.cli.text import say, tell


@click.command()
@database_option
@dry_run_option
@json_option
def init(url: str | None, dry_run: bool, as_json: bool) -> None:
    """Make the tables that are missing, and print the code that a service needs.

    The code goes to stdout and runs as it is: driftbreaker init > pricing.py
    """
    with open_database(url, may_make=True, dry=dry_run) as database:
        from driftbreaker.cli.care.schema import found_in, is_curable, make, tell_made, would_make
        from driftbreaker.cli.care.snippet import SNIPPET

        made = would_make(database) if dry_run else make(database)
        differences = [each for each in found_in(database) if not is_curable(each)]
        tell_made(made, database, dry=dry_run)
    if differences:
        raise CannotTell(f"the tables are another version's: {differences[0]}: see driftbreaker schema verify")
    code = SNIPPET.rstrip("\n")
    say(render({"dry_run": dry_run, "made": made, "code": code}) if as_json else code)
    tell(f"It reads {DATABASE}. Run it three times, and see: driftbreaker list. Before production: driftbreaker doctor")
