"""Statements about one incident: taken, given to somebody, written to. The breaker's row is locked around each."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import Executable, Insert, Select, select, update

from ..model import IncidentStatus
from .dialect import COUNT, Sql, parameter, value, values_of, word


@cache
def acknowledge(sql: Sql) -> Executable:
    """Say who took an incident, and return it."""
    i = sql.tables.incidents
    taken = {name: value(i.c[name]) for name in ("acknowledged_at", "acknowledged_by")}
    return _change(sql, status=word(IncidentStatus.ACKNOWLEDGED), **taken)


@cache
def assign(sql: Sql) -> Executable:
    """Say whose an incident is, and return it."""
    return _change(sql, assigned_to=value(sql.tables.incidents.c.assigned_to))


def _change(sql: Sql, **columns: Any) -> Executable:
    i = sql.tables.incidents
    return update(i).where(i.c.id == value(i.c.id, "incident_id")).values(**columns).returning(*i.columns)


@cache
def by_id(sql: Sql) -> Select[Any]:
    """One incident of a breaker."""
    i = sql.tables.incidents
    this = (i.c.name == value(i.c.name), i.c.scope == value(i.c.scope), i.c.id == value(i.c.id, "incident_id"))
    return select(i).where(*this)


@cache
def add_note(sql: Sql) -> Insert:
    """Write a note, and return its number."""
    n = sql.tables.notes
    row = {**values_of(n, "seq"), "actor": value(n.c.actor, "note_actor")}
    return n.insert().values(row).returning(n.c.seq)


@cache
def notes(sql: Sql) -> Select[Any]:
    """The notes of one incident of a breaker, oldest first."""
    n = sql.tables.notes
    this = (n.c.incident_id == value(n.c.incident_id), n.c.name == value(n.c.name), n.c.scope == value(n.c.scope))
    return select(n).where(*this).order_by(n.c.seq).limit(parameter("limit", COUNT))
