"""The command `driftbreaker check`, for scripts and for Nagios."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

import click

from driftbreaker.cli.breakers.nagios import NAGIOS_CRITICAL, NAGIOS_UNKNOWN
from driftbreaker.cli.completion import name_argument
from driftbreaker.cli.database import database_option, json_option, open_database
from driftbreaker.cli.exits import CannotTell, Failure, Status, Usage
from driftbreaker.cli.text import as_json as render
from driftbreaker.cli.text import plain, say, tell
from driftbreaker.cli.width import say_lines

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from driftbreaker.cli.engine import Database
    from driftbreaker.model import BreakerState, Key


class _Check(click.Command):
    """A command whose wrong usage, too, is UNKNOWN where Nagios asks: click's own status is its CRITICAL."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Read the arguments."""
        nagios = "--nagios" in args  # which reading them empties
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.UsageError as error:
            if nagios:
                _unknown(error.format_message())
            raise


@click.command(cls=_Check)
@name_argument
@database_option
@click.option("--scope", metavar="SCOPE", default="", help="A scope; it is off while the whole is.")
@click.option("--nagios", is_flag=True, help="Exit as Nagios wants it: 0 on, 2 off, 3 cannot tell.")
@json_option
def check(name: str, url: str | None, scope: str, nagios: bool, as_json: bool) -> None:
    """Say whether V2 may run: exits with 0 when it is on, 1 when it is off, 2 when nobody can tell.

    Whatever goes wrong is 2: a role that may not look, a lock, a time-out. A breaker to which nothing bad was ever
    reported has no row, and is on: so is a misspelt one, and it says so.
    """
    if nagios and as_json:
        _unknown("--nagios goes without --json: Nagios reads one line of text")
    try:
        state, near = _seen(name, scope, url)
    except (Failure, Usage) as error:
        if nagios:
            _unknown(error.message)
        raise error if isinstance(error, Usage) else CannotTell(error.message) from None
    if as_json:
        with suppress(OSError):
            say(render(_document(state)))
    else:
        _say(f"{'CRITICAL' if state.is_open else 'OK'}: {_told(state)}" if nagios else _told(state))
    if near is not None:
        tell(plain(f"Did you mean {near!r}?"))
    if state.is_open:
        raise click.exceptions.Exit(NAGIOS_CRITICAL if nagios else Status.NO)


def _unknown(why: str) -> NoReturn:
    _say(plain(f"UNKNOWN: {why}"))
    raise click.exceptions.Exit(NAGIOS_UNKNOWN) from None


def _say(text: str) -> None:
    # The status is the answer, and stays it where nobody can write or read the text.
    with suppress(OSError):
        say_lines([text])


def _seen(name: str, scope: str, url: str | None) -> tuple[BreakerState, str | None]:
    """Return the state, and of a name that is not on record one that may have been meant."""
    key = _checked(name, scope)
    with open_database(url) as database, database.connection() as connection:
        from driftbreaker import store

        try:
            state = store.get_state(store.Look.at(connection, database.tables, key))
        except (ValueError, TypeError, LookupError) as error:
            # By hand anything can be written into a row, and a traceback would exit with 1: off.
            raise CannotTell(f"what is on record of {name!r} cannot be read: {error}") from None
        return state, None if _is_on_record(state) else _near(connection, database, name)


def _near(connection: Connection, database: Database, name: str) -> str | None:
    from sqlalchemy.exc import SQLAlchemyError

    from driftbreaker.cli.breakers.finding import near

    # The answer is there already, and a hint is no part of it.
    with suppress(SQLAlchemyError):
        found = near(connection, database, name)
        return None if found == name else found
    return None


def _checked(name: str, scope: str) -> Key:
    from driftbreaker.checks import check_key
    from driftbreaker.errors import InvalidArgumentError

    try:
        return check_key(name, scope)
    except InvalidArgumentError as error:
        raise Usage(str(error)) from None


def _told(state: BreakerState) -> str:
    called = plain(state.name) + (f" ({plain(state.scope)})" if state.scope else "")
    if state.is_open:
        return f"V2 OFF · serving V1  {called}: {plain(state.reason or '')}"
    return f"V2 ON  {called}" + ("" if _is_on_record(state) else "  (nothing bad was ever reported to it)")


def _document(state: BreakerState) -> dict[str, Any]:
    return {
        "name": state.name,
        "scope": state.scope,
        "serving": "control" if state.is_open else "candidate",
        "reason": state.reason,
        "until": None if state.recovers_at is None else state.recovers_at.isoformat(),
        "on_record": _is_on_record(state),
    }


def _is_on_record(state: BreakerState) -> bool:
    return state.is_open or state.version > 0 or state.last_failure_at is not None
