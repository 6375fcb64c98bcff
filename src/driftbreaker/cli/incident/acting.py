"""The commands `driftbreaker incident ack`, `assign` and `note`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from driftbreaker.cli.breakers.knowing import known
from driftbreaker.cli.completion import name_argument
from driftbreaker.cli.database import database_option, json_option, open_database
from driftbreaker.cli.exits import Conflict, NotFound, Usage
from driftbreaker.cli.people import actor, by_option, dry_run_option, reason_for, reason_option, tell_dry
from driftbreaker.cli.text import as_json as render
from driftbreaker.cli.text import plain, say
from driftbreaker.cli.width import say_lines

if TYPE_CHECKING:
    from driftbreaker import CircuitBreaker, Incident
    from driftbreaker.store import Overview

T = TypeVar("T")
Command = TypeVar("Command", bound=Callable[..., Any])


def _which(command: Command) -> Command:
    """Give a command the options that say which incident is meant."""
    identity = click.option("--incident", "incident_id", metavar="ID", help="This incident, and no other.")
    scope = click.option("--scope", metavar="SCOPE", default="", help="A scope's incident.")
    return database_option(scope(identity(dry_run_option(json_option(command)))))


@click.command("ack")
@name_argument
@_which
@by_option
@click.option("-r", "--reason", metavar="TEXT", default="On it", show_default=True, help="What to put on record.")
def acknowledge(name: str, by: str | None, reason: str, incident_id: str | None, **rest: Any) -> None:
    """Say that you are on it. Exits with 5, and says who, when somebody was first."""
    who, why = actor(by), reason_for(reason, "do you take it")
    changed, incident, after = _act(
        name, lambda breaker: breaker.acknowledge(why, actor=who, incident_id=incident_id), **rest
    )
    if not changed:
        _refuse(name, incident, f"{incident.acknowledged_by} is on it already")
    _show(incident, after, **rest)


@click.command()
@name_argument
@click.argument("to", metavar="WHO|nobody")
@_which
@reason_option
def assign(name: str, to: str, by: str | None, reason: str | None, incident_id: str | None, **rest: Any) -> None:
    """Give the incident to somebody, or take it from everybody with 'nobody'."""
    whom = None if to == "nobody" else to
    who, why = actor(by), reason_for(reason, f"is it for {to}", known(rest["url"], name, rest["scope"]))
    changed, incident, after = _act(
        name, lambda breaker: breaker.assign(whom, why, actor=who, incident_id=incident_id), **rest
    )
    if not changed:
        _refuse(name, incident, f"it is assigned to {to} already")
    _show(incident, after, **rest)


@click.command()
@name_argument
@click.argument("text")
@_which
@by_option
def note(name: str, text: str, by: str | None, incident_id: str | None, **rest: Any) -> None:
    """Write to the incident; with --incident also to one that is over."""
    from driftbreaker.cli.breakers.advice import suggest
    from driftbreaker.cli.incident import document, screen

    who = actor(by)
    written, after = _within(name, lambda breaker: breaker.add_note(text, actor=who, incident_id=incident_id), **rest)
    if written is None:
        raise NotFound(f"{name} is on, there is no incident: --incident names one that is over")
    if rest["as_json"]:
        say(render({"dry_run": rest["dry_run"], "note": document.note(written)}))
    else:
        say_lines([screen.note(written, after.now)])
    if rest["dry_run"]:
        tell_dry()
    elif not rest["as_json"]:
        suggest(after)


def _act(
    name: str, do: Callable[[CircuitBreaker], tuple[bool, Incident | None]], **rest: Any
) -> tuple[bool, Incident, Overview]:
    (changed, incident), after = _within(name, do, **rest)
    if incident is None:
        raise NotFound(f"{name} is on: there is no incident")
    return changed, incident, after


def _within(
    name: str, do: Callable[[CircuitBreaker], T], *, url: str | None, scope: str, dry_run: bool, **_: Any
) -> tuple[T, Overview]:
    """Act on a breaker that is there, in a transaction of its own; return what it says then."""
    with open_database(url) as database:
        from driftbreaker import CircuitBreaker, InvalidArgumentError
        from driftbreaker.cli.breakers.finding import found

        with database.session(keeps=not dry_run) as session:
            found(session, database, name, scope)
            try:
                done = do(CircuitBreaker(session, name, scope=scope, tables=database.tables, door="cli"))
            except InvalidArgumentError as error:
                raise Usage(str(error)) from None
            return done, found(session, database, name, scope)[0]


def _refuse(name: str, incident: Incident, because: str) -> None:
    if incident.resolved:
        raise Conflict(f"incident {plain(incident.id)} is over: {name} may have another one by now")
    raise Conflict(because)


def _show(incident: Incident, after: Overview, *, as_json: bool, dry_run: bool, **_: Any) -> None:
    from driftbreaker.cli.breakers.advice import suggest
    from driftbreaker.cli.incident import document, screen

    if as_json:
        say(render({"dry_run": dry_run, "incident": document.incident(incident, [])}))
    else:
        say_lines(screen.incident(incident, [], after.now))
    if dry_run:
        tell_dry()
    elif not as_json:
        suggest(after)
