"""The command `driftbreaker check`, for scripts and for Nagios."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from driftbreaker.cli.breakers.nagios import NAGIOS_CRITICAL, NAGIOS_UNKNOWN
from driftbreaker.cli.completion import name_argument
from driftbreaker.cli.database import database_option, json_option, open_database
from driftbreaker.cli.exits import Failure, Status, Usage
from driftbreaker.cli.text import as_json as render
from driftbreaker.cli.text import plain, say

if TYPE_CHECKING:
    from driftbreaker.model import BreakerState, Key


@click.command()
@name_argument
@database_option
@click.option("--scope", metavar="SCOPE", default="", help="A scope; it is off while the whole is.")
@click.option("--nagios", is_flag=True, help="Exit as Nagios wants it: 0 on, 2 off, 3 cannot tell.")
@json_option
def check(name: str, url: str | None, scope: str, nagios: bool, as_json: bool) -> None:
    """Say whether V2 may run: exits with 0 when it is on, 1 when it is off, 2 when nobody can tell.

    A breaker to which nothing bad was ever reported has no row, and is on: so is a misspelt one, and it says so.
    """
    if nagios and as_json:
        raise Usage("--nagios goes without --json: Nagios reads one line of text")
    try:
        state = _state(name, scope, url)
    except (Failure, Usage) as error:
        if not nagios:
            raise
        _say(f"UNKNOWN: {error.message}")
        raise click.exceptions.Exit(NAGIOS_UNKNOWN) from None
    if as_json:
        _say(render(_document(state)))
    else:
        _say(f"{'CRITICAL' if state.is_open else 'OK'}: {_told(state)}" if nagios else _told(state))
    if state.is_open:
        raise click.exceptions.Exit(NAGIOS_CRITICAL if nagios else Status.NO)


def _say(text: str) -> None:
    # The status is the answer, and stays it where nobody can write or read the text.
    with suppress(OSError):
        say(text)


def _state(name: str, scope: str, url: str | None) -> BreakerState:
    key = _checked(name, scope)
    with open_database(url) as database:
        from driftbreaker import store

        with database.connection() as connection:
            return store.get_state(store.Look.at(connection, database.tables, key))


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
        "until": None if state.disabled_until is None else state.disabled_until.isoformat(),
        "on_record": _is_on_record(state),
    }


def _is_on_record(state: BreakerState) -> bool:
    return state.is_open or state.version > 0 or state.last_failure_at is not None
