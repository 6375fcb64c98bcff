"""The option `--db` of every command that needs a database, and the database behind it, opened when it is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from driftbreaker.cli.environment import secret
from driftbreaker.cli.exits import Usage
from driftbreaker.cli.seconds import Seconds

if TYPE_CHECKING:
    from driftbreaker.cli.engine import Database

VARIABLE = "DRIFTBREAKER_DATABASE_URL"
# Nobody who was paged waits longer for an answer, and a lock that is held for longer is a question of its own.
PATIENCE = 30.0
SQLITE_PATIENCE = 5.0
MAX_PATIENCE = 86_400.0
_KEPT = "driftbreaker.timeout"
Command = TypeVar("Command", bound=Callable[..., Any])


def database_option(command: Command) -> Command:
    """Give a command the options `--db`, which it gets as `url`, and `--timeout`, which `open_database` reads."""
    timeout = click.option(
        "--timeout",
        type=Seconds(min=0, min_open=True, max=MAX_PATIENCE),
        metavar="S",
        expose_value=False,
        callback=_keep,
        help="Wait so many seconds for the database, then exit with 124.  "
        f"[default: {PATIENCE:g}; SQLite: {SQLITE_PATIENCE:g}]",
    )
    return url_option(timeout(command))


def url_option(command: Command) -> Command:
    """Give a command the option `--db` alone."""
    return click.option(
        "--db",
        "url",
        metavar="URL",
        help=f"The database, as SQLAlchemy writes it.  [env: {VARIABLE}, or {VARIABLE}_FILE]",
    )(command)


def json_option(command: Command) -> Command:
    """Give a command the flag `--json`, which it gets as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def _keep(ctx: click.Context, _: click.Parameter, timeout: float | None) -> None:
    ctx.meta[_KEPT] = timeout


def patience() -> float | None:
    """Return the seconds of the present command's `--timeout`; None when it was not given."""
    ctx = click.get_current_context(silent=True)
    given: float | None = None if ctx is None else ctx.meta.get(_KEPT)
    return given


@contextmanager
def open_database(url: str | None, wait: float | None = None) -> Iterator[Database]:
    """Yield the database of `--db` or of the environment. Whatever keeps it from working ends in one sentence.

    Nothing of it is waited for longer than `wait`, or else `--timeout`, in seconds.
    """
    url = url or secret(VARIABLE)
    if not url:
        raise Usage(f"which database? Give --db URL, or set {VARIABLE}")
    from driftbreaker.cli.engine import opened

    with opened(url, patience() if wait is None else wait) as database:
        yield database
