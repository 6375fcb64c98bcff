"""The option `--db` of every command that needs a database, and the database behind it, opened when it is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from driftbreaker.cli.environment import secret
from driftbreaker.cli.exits import Usage

if TYPE_CHECKING:
    from driftbreaker.cli.engine import Database

VARIABLE = "DRIFTBREAKER_DATABASE_URL"
Command = TypeVar("Command", bound=Callable[..., Any])


def database_option(command: Command) -> Command:
    """Give a command the option `--db`, which it gets as `url`; `open_database` opens it."""
    return click.option(
        "--db",
        "url",
        metavar="URL",
        help=f"The database, as SQLAlchemy writes it.  [env: {VARIABLE}, or {VARIABLE}_FILE]",
    )(command)


def json_option(command: Command) -> Command:
    """Give a command the flag `--json`, which it gets as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


@contextmanager
def open_database(url: str | None, *, may_make: bool = False, dry: bool = False) -> Iterator[Database]:
    """Yield the database of `--db` or of the environment. Whatever keeps it from working ends in one sentence.

    A file of SQLite's must be there, unless a command `may_make` it; `dry`, it gets an empty database in its stead.
    """
    url = url or secret(VARIABLE)
    if not url:
        raise Usage(f"which database? Give --db URL, or set {VARIABLE}")
    from driftbreaker.cli.engine import opened

    with opened(url, may_make=may_make, dry=dry) as database:
        yield database
