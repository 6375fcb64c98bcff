"""The option `--db` of every command that needs a database, and the database behind it, opened when it is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from driftbreaker.cli.environment import secret
from driftbreaker.cli.exits import Usage
from driftbreaker.cli.options import DATABASE, database_options, shared

if TYPE_CHECKING:
    from driftbreaker.cli.engine import Database

Command = TypeVar("Command", bound=Callable[..., Any])


def database_option(command: Command) -> Command:
    """Give a command the option `--db`, which it gets as `url`; `open_database` opens it."""
    return database_options(command)


def json_option(command: Command) -> Command:
    """Give a command the flag `--json`, or `-o json`, which it gets as `as_json`."""
    output = shared("output", type=click.Choice(["table", "json"]), expose_value=False, hidden=True)
    return shared("as_json", help="Print JSON.")(output(command))


@contextmanager
def open_database(url: str | None) -> Iterator[Database]:
    """Yield the database of `--db` or of the environment. Whatever keeps it from working ends in one sentence."""
    url = url or secret(DATABASE)
    if not url:
        raise Usage(f"which database? Give --db URL, or set {DATABASE}")
    from driftbreaker.cli.engine import opened

    with opened(url) as database:
        yield database
