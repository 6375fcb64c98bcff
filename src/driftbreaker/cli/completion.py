"""What shells complete: names of breakers, from the database. Nothing here may speak, or keep anybody waiting."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import Any, TypeVar

import click

from driftbreaker.cli.options import given

Command = TypeVar("Command", bound=Callable[..., Any])

# With Python's own start and ours, it comes to less than a second.
PATIENCE = 0.5


def name_argument(command: Command) -> Command:
    """Give a command its argument NAME: a breaker's."""
    return click.argument("name", shell_complete=names)(command)


def optional_name_argument(command: Command) -> Command:
    """Give a command an argument NAME that may be missing."""
    return click.argument("name", required=False, shell_complete=names)(command)


def names(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Return the names that begin so; none where there is no database, or one that does not answer at once."""
    from driftbreaker.cli import engine  # noqa: F401  what we take to load is not the database's fault

    found: list[str] = []
    # In a thread: no driver's own limit is as short as the patience of who pressed Tab.
    looking = Thread(target=_look, args=(ctx, incomplete, found), daemon=True)
    looking.start()
    looking.join(PATIENCE)
    return list(found)


def _look(ctx: click.Context, begin: str, found: list[str]) -> None:
    from driftbreaker import store
    from driftbreaker.cli.database import open_database
    from driftbreaker.cli.text import plain

    try:
        with ctx.scope(cleanup=False), open_database(given("url")) as database, database.session() as session:
            # A line break in a name would end the answer to the shell.
            found += [name for name in store.names_that_begin(session, database.tables, begin) if plain(name) == name]
    except BaseException:  # noqa: BLE001  whatever it is: who pressed Tab has asked for no message
        return
