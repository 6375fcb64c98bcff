"""Many breakers at once, as people look at them. Locks and writes nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, CursorResult, Row, Select

from ..model import BreakerState, HistoryEntry, Incident, Key
from ..statements import changes, listing, reads, sql_for
from ..statements.listing import INCIDENT
from ..tables import Tables
from .records import history_entry_of, incident_of, state_of

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from .look import Look

NEAR, MOST = 200, 1_000


@dataclass(frozen=True, kw_only=True)
class Overview:
    """One breaker with its present incident, and the settings that its service gave it, at one moment."""

    state: BreakerState
    incident: Incident | None
    settings: dict[str, Any] | None
    now: datetime


def breakers(session: Session, tables: Tables, *, limit: int) -> tuple[list[Overview], list[Overview]]:
    """Return everything that is off, the latest opening first, and at most `limit` that are on, by name.

    Two statements: one through the index of the open set, one by the primary key. A scope whose whole is off reads as
    off, and stands where its own row stands.
    """
    off = _run(session, tables, listing.off).all()
    on = _run(session, tables, listing.on, limit=limit).all() if limit else []
    wholes = {row.name: row for row in off if row.scope == ""}
    return [_overview(row, wholes) for row in off], [_overview(row, wholes) for row in on]


def breakers_named(session: Session, tables: Tables, name: str, *, limit: int = MOST) -> list[Overview]:
    """Return the whole of a name, where there is a row of it, and its scopes. One statement."""
    rows = _run(session, tables, listing.of_name, name=name, limit=limit).all()
    wholes = {row.name: row for row in rows if row.scope == ""}
    return [_overview(row, wholes) for row in rows]


def overview(look: Look) -> Overview | None:
    """Return one breaker; None when nothing is on record of it. One statement."""
    rows = {row.scope: row for row in look.run(listing.of_key(look.sql))}
    own = rows.get(look.key.scope)
    return None if own is None else _overview(own, {row.name: row for row in rows.values() if row.scope == ""})


def names_near(at: Session | Connection, tables: Tables, name: str) -> list[str]:
    """Return names that a misspelt one may have meant: those that begin as it does, and the first ones of all."""
    found = [row.name for row in _run(at, tables, listing.names, name=name[:1], limit=NEAR)]
    return found + [row.name for row in _run(at, tables, listing.names, name="", limit=NEAR)]


def names_that_begin(session: Session, tables: Tables, begin: str) -> list[str]:
    """Return names that begin so, at most 200 of them."""
    return [row.name for row in _run(session, tables, listing.names_that_begin, name=begin, limit=NEAR)]


def database_now(session: Session, tables: Tables) -> datetime:
    """Return the time by the database's clock."""
    now: datetime = _run(session, tables, reads.now).scalar_one()
    return now


def incident_with(session: Session, tables: Tables, incident_id: str) -> Incident | None:
    """Return one incident, of whatever breaker; None when no incident has this id. One statement."""
    row = _run(session, tables, reads.incident, incident_id=incident_id).one_or_none()
    return None if row is None else incident_of(row, row.lapsed_at)


def history_about(session: Session, tables: Tables, incident: Incident, *, limit: int = MOST) -> list[HistoryEntry]:
    """Return what was done about an incident, oldest first. One statement, through the index of a breaker's history."""
    values = {"name": incident.name, "scope": incident.scope, "incident_id": incident.id}
    return [history_entry_of(row) for row in _run(session, tables, changes.about, **values, limit=limit)]


def _run(at: Session | Connection, tables: Tables, statement: Any, **values: Any) -> CursorResult[Any]:
    # Who only looks has no session: what one needs takes longer to import than the look takes.
    connection = at if isinstance(at, Connection) else at.connection(bind_arguments={"clause": tables.breakers})
    built: Select[Any] = statement(sql_for(tables, connection.dialect.name))
    return connection.execute(built, {f"p_{name}": value for name, value in values.items()})


def _overview(row: Row[Any], wholes: Mapping[str, Row[Any]]) -> Overview:
    state = state_of(Key(row.name, row.scope), row, wholes.get(row.name) if row.scope else None)
    incident = None
    if state.is_open and state.open_scope == row.scope and row.incident_id is not None:
        named = row._mapping.items()
        columns = {name.removeprefix(INCIDENT): each for name, each in named if name.startswith(INCIDENT)}
        incident = incident_of(SimpleNamespace(**columns))
    settings = None if row.settings is None else json.loads(row.settings)
    return Overview(state=state, incident=incident, settings=settings, now=row.now)
