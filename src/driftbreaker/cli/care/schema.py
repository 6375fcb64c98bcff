"""The group `driftbreaker schema`: make the tables, or see whether they are as this version wants them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from driftbreaker.cli.database import database_option, json_option, open_database
from driftbreaker.cli.exits import Status
from driftbreaker.cli.groups import Lazy, LazyGroup
from driftbreaker.cli.people import dry_run_option
from driftbreaker.cli.text import as_json as render
from driftbreaker.cli.text import plain, say, tell

if TYPE_CHECKING:
    from driftbreaker.cli.engine import Database

_COMMANDS = {
    "create": Lazy(__name__, "create", "Make the tables and indexes that are missing, and say which."),
    "verify": Lazy(__name__, "verify", "Say each way in which they differ from what this version wants."),
}

schema = LazyGroup(
    name="schema", lazy=_COMMANDS, help="Make the tables, or see whether they are as this version wants them."
)


@click.command()
@database_option
@dry_run_option
@json_option
def create(url: str | None, dry_run: bool, as_json: bool) -> None:
    """Make the tables and indexes that are missing, and say which.

    Changes nothing that is there, and makes a file of SQLite's where there is none. With -n it prints the statements,
    for whoever may run them. Exits with 1 when the tables are not as this version wants them even so.
    """
    with open_database(url, may_make=True, dry=dry_run) as database:
        if dry_run:
            _print_statements(database, in_json=as_json)
            return
        made = make(database)
        differences = found_in(database)
    if as_json:
        say(render({"made": made, "differences": differences}))
    else:
        for name in made:
            say(plain(name))
        tell_made(made, database)
    if differences:
        _tell_differences(differences, database, aloud=not as_json)
        raise click.exceptions.Exit(Status.NO)


@click.command()
@database_option
@json_option
def verify(url: str | None, as_json: bool) -> None:
    """Say each way in which the tables differ from what this version wants. Reads alone.

    Exits with 0 when they are as wanted, with 1 when they are not.
    """
    with open_database(url) as database:
        differences = found_in(database)
    if as_json:
        say(render({"as_wanted": not differences, "differences": differences}))
    elif not differences:
        tell(plain(f"The tables in {database.shown} are as this version wants them."))
    if differences:
        _tell_differences(differences, database, aloud=not as_json)
        raise click.exceptions.Exit(Status.NO)


def make(database: Database) -> list[str]:
    """Make what is missing; return the names of it."""
    from driftbreaker.store.schema import create_missing

    with database.session() as session:
        return create_missing(session, database.tables)


def found_in(database: Database) -> list[str]:
    """Return how the tables differ from what this version wants."""
    from driftbreaker.health import schema_differences

    return schema_differences(database.engine, database.tables)


def would_make(database: Database) -> list[str]:
    """Return the names of what is missing, and make nothing."""
    from driftbreaker.store.schema import names_of_missing

    with database.session(keeps=False) as session:
        return names_of_missing(session, database.tables)


def is_curable(difference: str) -> bool:
    """Return whether `make` cures a difference: it makes tables and indexes, and alters none."""
    return difference.endswith("is missing") and not difference.startswith("the column")


def tell_made(made: list[str], database: Database, *, dry: bool = False) -> None:
    """Say in one sentence what was made, or would be."""
    things = "1 table or index" if len(made) == 1 else f"{len(made)} tables or indexes"
    verb = "Would make" if dry else "Made"
    tell(plain(f"{verb} {things} in {database.shown}." if made else f"Nothing was missing in {database.shown}."))


def _print_statements(database: Database, *, in_json: bool) -> None:
    from driftbreaker.store.schema import statements_for_missing

    with database.session(keeps=False) as session:
        statements = statements_for_missing(session, database.tables)
    if in_json:
        say(render({"statements": statements}))
        return
    for statement in statements:
        say(statement)
    tell("Nothing was made." if statements else "Nothing is missing.")


def _tell_differences(differences: list[str], database: Database, *, aloud: bool) -> None:
    for difference in differences if aloud else ():
        say(plain(difference))
    missing = [each for each in differences if is_curable(each)]
    if missing:
        tell("driftbreaker schema create makes tables and indexes that are missing.")
    if len(missing) < len(differences):
        tell(plain(f"What is there in {database.shown} is left as it is: alter it by hand, or make the tables anew."))
