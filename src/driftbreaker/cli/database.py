"""The option `--db` of every command that needs a database, and the database behind it, opened when it is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from driftbreaker.cli.environment import secret
from driftbreaker.cli.exits import Usage
from driftbreaker.cli.options import DATABASE, database_options, given, shared

if TYPE_CHECKING:
    from driftbreaker.cli.engine import Database

Command = TypeVar("Command", bound=Callable[..., Any])


def database_option(command: Command) -> Command:
    """Give a command the options `--db`, which it gets as `url`, and `--timeout`, which `open_database` reads."""
    return database_options(shared("timeout", expose_value=False)(command))


def url_option(command: Command) -> Command:
    """Give a command the option `--db` alone."""
    return database_options(command)


def json_option(command: Command) -> Command:
    """Give a command the flag `--json`, or `-o json`, which it gets as `as_json`."""
    output = shared("output", type=click.Choice(["table", "json"]), expose_value=False, hidden=True)
    return shared("as_json", help="Print JSON.")(output(command))


def patience() -> float | None:
    """Return the seconds of the present command's `--timeout`; None when it was not given."""
    seconds: float | None = given("timeout")
    return seconds


@contextmanager
def open_database(
    url: str | None, wait: float | None = None, *, may_make: bool = False, dry: bool = False
) -> Iterator[Database]:
    """Yield the database of `--db` or of the environment. Whatever keeps it from working ends in one sentence.

    Nothing of it is waited for longer than `wait`, or else `--timeout`, in seconds. A file of SQLite's must be there,
    unless a command `may_make` it; `dry`, it gets an empty database in its stead.
    """
    url = url or secret(DATABASE)
    if not url:
        raise Usage(f"which database? Give --db URL, or set {DATABASE}")
    from driftbreaker.cli.engine import opened

    with opened(url, patience() if wait is None else wait, may_make=may_make, dry=dry) as database:
        yield database
