"""The command `driftbreaker incident show`."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

from driftbreaker.cli.completion import optional_name_argument
from driftbreaker.cli.database import database_option, json_option, open_database
from driftbreaker.cli.exits import NotFound, Usage
from driftbreaker.cli.text import as_json as render
from driftbreaker.cli.text import plain, say, tell
from driftbreaker.cli.width import say_lines

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from driftbreaker.cli.engine import Database
    from driftbreaker.model import Incident
    from driftbreaker.outbox import Entry


@click.command()
@optional_name_argument
@database_option
@click.option("--incident", "incident_id", metavar="ID", help="This incident, of whatever breaker.")
@click.option("--scope", metavar="SCOPE", default="", help="A scope's incident.")
@json_option
def show(name: str | None, url: str | None, incident_id: str | None, scope: str, as_json: bool) -> None:
    """Show one incident in full: evidence, who did what and why, what was written to it, and its page.

    The latest of a breaker, be it over, or the one that --incident names.
    """
    if (name is None) is (incident_id is None):
        raise Usage("which incident? Give a breaker's NAME, or --incident ID, and not both")
    with open_database(url) as database:
        from driftbreaker import CircuitBreaker, store
        from driftbreaker.cli.incident import document, screen

        with database.session() as session:
            now = store.database_now(session, database.tables)
            if name is not None:
                each = _latest(session, database, name, scope)
            else:
                each = _named(session, database, str(incident_id))
            breaker = CircuitBreaker(session, each.name, scope=each.scope, tables=database.tables)
            notes = breaker.get_notes(each.id, 1_000)
            changes = store.history_about(session, database.tables, each)
            alerts = _alerts(session, database, each)
    if as_json:
        say(render({"incident": document.detailed(each, notes, changes, alerts)}))
        return
    say_lines(screen.detailed(each, notes, changes, alerts, now))
    if not each.resolved and each.acknowledged_by is None:
        tell(f"Take it: driftbreaker incident ack {plain(shlex.quote(each.name))}{_scoped(each.scope)}")


def _latest(session: Session, database: Database, name: str, scope: str) -> Incident:
    from driftbreaker import CircuitBreaker
    from driftbreaker.cli.breakers.finding import found

    found(session, database, name, scope)
    breaker = CircuitBreaker(session, name, scope=scope, tables=database.tables)
    incidents = breaker.get_incidents(include_resolved=True, limit=1)
    if not incidents:
        raise NotFound(f"{name} never was off: it has no incident")
    return incidents[0]


def _named(session: Session, database: Database, incident_id: str) -> Incident:
    from driftbreaker import InvalidArgumentError, store
    from driftbreaker.checks import check_incident

    try:
        incident = store.incident_with(session, database.tables, check_incident(incident_id))
    except InvalidArgumentError as error:
        raise Usage(str(error)) from None
    if incident is None:
        raise NotFound(f"no incident has the id {incident_id!r}: driftbreaker incident list NAME --all shows them")
    return incident


def _alerts(session: Session, database: Database, incident: Incident) -> list[Entry]:
    """Return the alerts that tell of this incident, as long as no later one took them over."""
    from driftbreaker.outbox import entries_of, match

    identities = match(session, database.ledger, incident.name).identities
    found = entries_of(session, database.ledger, identities) if identities else []
    return [entry for entry in found if entry.incident_id == incident.id]


def _scoped(scope: str) -> str:
    return f" --scope {plain(shlex.quote(scope))}" if scope else ""
