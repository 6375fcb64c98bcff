"""The commands by which people turn V2 off and on: `disable`, `hold`, `enable`, `reset`, `force-on`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from driftbreaker.cli.breakers.knowing import known
from driftbreaker.cli.completion import name_argument
from driftbreaker.cli.database import database_option, json_option, open_database
from driftbreaker.cli.exits import Failure, NotFound, Usage
from driftbreaker.cli.options import shared
from driftbreaker.cli.people import (
    actor,
    confirm,
    dry_run_option,
    end_of,
    reason_for,
    reason_option,
    until_options,
    yes_option,
)
from driftbreaker.cli.text import as_json as render
from driftbreaker.cli.text import say, tell
from driftbreaker.cli.width import say_lines, tell_lines

if TYPE_CHECKING:
    from driftbreaker import CircuitBreaker
    from driftbreaker.cli.engine import Database
    from driftbreaker.store import Overview
    from driftbreaker.store.joined import Door

Do = Callable[["CircuitBreaker", datetime], bool]

scope_option = click.option("--scope", metavar="SCOPE", default="", help="A scope instead of the whole.")
sooner_option = shared("yes", help="Even if V2 comes back sooner than another person wanted.")


@click.command()
@name_argument
@database_option
@scope_option
@reason_option
@until_options
@click.option("--new", "is_new", is_flag=True, help="Nothing is on record of this name yet, and it is spelt right.")
@sooner_option
@dry_run_option
@json_option
def disable(name: str, url: str | None, reason: str | None, by: str | None, is_new: bool, **rest: Any) -> None:
    """Turn V2 off, in every process, and page.

    Until somebody enables it, unless --until or --for says otherwise. Off already for another reason: this one takes
    its place, with an incident of its own. Exits with 5, and says who, when another person wanted it off for longer.
    """
    look = None if is_new else known(url, name, rest["scope"])
    why, who = reason_for(reason, f"is {name} turned off", look), actor(by)

    def do(breaker: CircuitBreaker, now: datetime) -> bool:
        until = end_of(rest["until"], rest["length"], now, none="until enabled")
        return breaker.disable(why, actor=who, until=until)[0]

    _change(url, name, do, "It was off already, for this very reason.", may_be_new=is_new, **rest)


@click.command()
@name_argument
@database_option
@scope_option
@reason_option
@until_options
@sooner_option
@dry_run_option
@json_option
def hold(name: str, url: str | None, reason: str | None, by: str | None, **rest: Any) -> None:
    """Keep V2 off until a time of yours: nothing else ends it before.

    V2 comes back at that time, be it sooner than before. Same incident, same page; --until enabled holds it until
    somebody enables it. Exits with 1 when V2 is on: there is nothing to hold, and `disable` turns it off; with 5, and
    says who, when another person wanted it off for longer.
    """
    why, who = reason_for(reason, f"is {name} held off", known(url, name, rest["scope"])), actor(by)

    def do(breaker: CircuitBreaker, now: datetime) -> bool:
        if rest["until"] is None and rest["length"] is None:
            raise Usage("until when? Give --until WHEN, --for LENGTH, or --until enabled")
        until = end_of(rest["until"], rest["length"], now, none="until enabled")
        if not breaker.hold(why, actor=who, until=until):
            raise Failure(f"{name} is on: there is nothing to hold. driftbreaker disable turns it off")
        return True

    _change(url, name, do, "", **rest)


@click.command()
@name_argument
@database_option
@scope_option
@reason_option
@yes_option
@dry_run_option
@json_option
def enable(name: str, url: str | None, reason: str | None, by: str | None, yes: bool, **rest: Any) -> None:
    """Turn V2 on again, in every process, and resolve the page.

    Shows why it is off and asks first; -y answers yes. Exits with 5, and says who, when somebody has changed it since
    it was shown.
    """
    why, who = reason_for(reason, f"is {name} turned on", known(url, name, rest["scope"])), actor(by)

    def do(breaker: CircuitBreaker, _: datetime) -> bool:
        return breaker.enable(why, actor=who)

    _change(url, name, do, "It was on already.", question="Turn V2 on?", yes=yes, **rest)


@click.command()
@name_argument
@database_option
@scope_option
@reason_option
@yes_option
@dry_run_option
@json_option
def reset(name: str, url: str | None, reason: str | None, by: str | None, yes: bool, **rest: Any) -> None:
    """Turn V2 on, and forget what was counted: the streak, schema errors, a force."""
    why, who = reason_for(reason, f"is {name} reset", known(url, name, rest["scope"])), actor(by)

    def do(breaker: CircuitBreaker, _: datetime) -> bool:
        # What it forgets on a breaker that is on makes no new version of it, but is on record.
        before = _resets(breaker)
        breaker.reset(why, actor=who)
        return _resets(breaker) not in ([], before)

    _change(
        url,
        name,
        do,
        "It is on, and nothing was counted.",
        question="Turn V2 on, and forget what was counted?",
        yes=yes,
        **rest,
    )


@click.command("force-on")
@name_argument
@database_option
@scope_option
@reason_option
@until_options
@click.option("--confirm", "confirmed", metavar="NAME", help="The breaker's name once more: drift will not stop it.")
@dry_run_option
@json_option
def force_on(
    name: str, url: str | None, reason: str | None, by: str | None, confirmed: str | None, **rest: Any
) -> None:
    """Keep V2 on until a time, whatever is reported: reports count, and never trip.

    Must end, and wants the name twice.
    """
    if confirmed != name:
        raise Usage(f"forcing {name} on means that no drift turns it off: give --confirm={name}")
    why, who = reason_for(reason, f"is {name} forced on", known(url, name, rest["scope"])), actor(by)

    def do(breaker: CircuitBreaker, now: datetime) -> bool:
        until = end_of(rest["until"], rest["length"], now, none=None)
        assert until is not None  # noqa: S101  an end is mandatory here
        breaker.force_on(why, actor=who, until=until)
        return True

    _change(url, name, do, "", **rest)


def _resets(breaker: CircuitBreaker) -> list[int]:
    return [entry.seq for entry in breaker.get_history(1) if entry.change == "reset"]


def _change(
    url: str | None,
    name: str,
    do: Do,
    unchanged: str,
    *,
    scope: str,
    dry_run: bool,
    as_json: bool,
    may_be_new: bool = False,
    question: str | None = None,
    yes: bool = False,
    **_: Any,
) -> None:
    """Change a breaker and show what it is then. A dry run rolls all of it back."""
    seen = None
    with open_database(url) as database:
        if not may_be_new:
            shown = _look(database, name, scope)
            if question is not None and not dry_run:
                if shown.state.is_open:
                    _ask(shown, question, yes=yes)
                seen = None if yes else shown
        changed, before, after = _done(database, name, scope, do, seen, new=may_be_new, yes=yes, keeps=not dry_run)
    _show(after, changed=changed, dry_run=dry_run, as_json=as_json)
    _tell(before, after, unchanged, changed=changed)
    if not dry_run and not as_json:
        _suggest(after)


def _look(database: Database, name: str, scope: str) -> Overview:
    from driftbreaker.cli.breakers.finding import found

    with database.session() as session:
        return found(session, database, name, scope)[0]


def _ask(before: Overview, question: str, *, yes: bool) -> None:
    from driftbreaker.cli.breakers import screen

    if not yes:
        for line in screen.detailed(before):
            tell(line)
        tell("While V2 was off nothing measured it, unless a shadow did.")
    confirm(question, yes=yes)


def _done(
    database: Database, name: str, scope: str, do: Do, seen: Overview | None, *, new: bool, yes: bool, keeps: bool
) -> tuple[bool, Overview, Overview]:
    """Return whether it changed, what it was under its lock, and what it is; what somebody was first at is refused."""
    from driftbreaker import CircuitBreaker, InvalidArgumentError, store
    from driftbreaker.cli.breakers import conflict

    with database.session(keeps=keeps) as session:
        try:
            with _door(database, name, scope).join(session, "lock") as joined:
                before = store.lock_overview(joined, may_make=new)
            if before is None:
                raise NotFound(f"no breaker is called {name!r} any more")
            breaker = CircuitBreaker(session, name, scope=scope, tables=database.tables, door="cli")
            if seen is not None:
                conflict.refuse_unseen(seen, before, breaker)
            changed = do(breaker, store.database_now(session, database.tables))
            after = store.overview(joined) or before
        except InvalidArgumentError as error:
            raise Usage(str(error)) from None
        if not yes:
            conflict.refuse_sooner(before, after)
    return changed, before, after


def _door(database: Database, name: str, scope: str) -> Door:
    from driftbreaker import BreakerSettings
    from driftbreaker.checks import check_key
    from driftbreaker.store.joined import Door

    key = check_key(name, scope)
    return Door(key=key, settings=BreakerSettings(), tables=database.tables, clock=None, owns_settings=False)


def _show(after: Overview, *, changed: bool, dry_run: bool, as_json: bool) -> None:
    from driftbreaker.cli.breakers import document, screen

    if as_json:
        say(render({"changed": changed, "dry_run": dry_run, "breaker": document.breaker(after)}))
    else:
        say_lines(screen.listed(after))
    if dry_run:
        tell("Nothing was changed: this is what it would be.")


def _tell(before: Overview, after: Overview, unchanged: str, *, changed: bool) -> None:
    from driftbreaker.cli.breakers import conflict

    if changed:
        tell_lines(*conflict.consequences(before, after))
    elif after.state.is_open and after.state.open_scope != after.state.scope:
        tell("It was on already; it is off because the whole is.")
    else:
        tell(unchanged)


def _suggest(after: Overview) -> None:
    from driftbreaker.cli.breakers.advice import suggest

    suggest(after)
