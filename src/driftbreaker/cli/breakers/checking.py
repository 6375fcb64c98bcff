"""The command `driftbreaker check`, for scripts and for Nagios."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from driftbreaker.cli.breakers.nagios import NAGIOS_CRITICAL, NAGIOS_UNKNOWN
from driftbreaker.cli.completion import name_argument
from driftbreaker.cli.database import database_option, open_database
from driftbreaker.cli.exits import Failure, Status, Usage
from driftbreaker.cli.text import plain, say

if TYPE_CHECKING:
    from driftbreaker.model import Key


@click.command()
@name_argument
@database_option
@click.option("--scope", metavar="SCOPE", default="", help="A scope; it is off while the whole is.")
@click.option("--nagios", is_flag=True, help="Exit as Nagios wants it: 0 on, 2 off, 3 cannot tell.")
def check(name: str, url: str | None, scope: str, nagios: bool) -> None:
    """Say whether V2 may run: exits with 0 when it is on, 1 when it is off, 2 when nobody can tell.

    A breaker to which nothing bad was ever reported has no row, and is on: so is a misspelt one, and it says so.
    """
    try:
        is_off, said = _answer(name, scope, url)
    except Failure as error:
        if not nagios:
            raise
        say(f"UNKNOWN: {error.message}")
        raise click.exceptions.Exit(NAGIOS_UNKNOWN) from None
    say(f"{'CRITICAL' if is_off else 'OK'}: {said}" if nagios else said)
    if is_off:
        raise click.exceptions.Exit(NAGIOS_CRITICAL if nagios else Status.NO)


def _answer(name: str, scope: str, url: str | None) -> tuple[bool, str]:
    key = _checked(name, scope)
    with open_database(url) as database:
        from driftbreaker import store

        with database.connection() as connection:
            state = store.get_state(store.Look.at(connection, database.tables, key))
    called = plain(name) + (f" ({plain(scope)})" if scope else "")
    if not state.is_open:
        unknown = state.version == 0 and state.last_failure_at is None
        return False, f"V2 ON  {called}" + ("  (nothing bad was ever reported to it)" if unknown else "")
    return True, f"V2 OFF · serving V1  {called}: {plain(state.reason or '')}"


def _checked(name: str, scope: str) -> Key:
    from driftbreaker.checks import check_key
    from driftbreaker.errors import InvalidArgumentError

    try:
        return check_key(name, scope)
    except InvalidArgumentError as error:
        raise Usage(str(error)) from None
