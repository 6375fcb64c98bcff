"""Statements of those who look after the outbox: what fires or waits, and trying again. They write deliveries alone."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Executable,
    Select,
    String,
    and_,
    exists,
    func,
    null,
    or_,
    select,
    tuple_,
    union,
    update,
)

from ..model import AlertState
from .deliveries import IDENTITIES, lapsed
from .dialect import Sql, parameter, value, word


def quiet(sql: Sql) -> ColumnElement[bool]:
    """Over, told to every channel there is, and refused by none."""
    o, d = sql.tables.outbox, sql.tables.deliveries
    of_it = d.c.identity == o.c.identity
    waits = or_(d.c.version_seen != o.c.version, d.c.next_at.is_not(None), d.c.parked_version.is_not(None))
    return and_(
        o.c.state == word(AlertState.RESOLVED),
        exists().where(of_it).correlate(o),
        ~exists().where(of_it, waits).correlate(o),
    )


def _listed(sql: Sql) -> Select[Any]:
    """Alerts, each with its deliveries, or once without any; in one statement, so that both are of one moment."""
    o, d = sql.tables.outbox, sql.tables.deliveries
    alert = (o.c[name].label(f"outbox_{name}") for name in o.c.keys())  # noqa: SIM118  columns, not a dictionary
    return (
        select(*alert, d, lapsed(sql).label("lapsed"), sql.now.label("now"))
        .select_from(o.outerjoin(d, d.c.identity == o.c.identity))
        .order_by(o.c.state, o.c.starts_at, o.c.identity, d.c.channel)
    )


@cache
def listing(sql: Sql, *, everything: bool) -> Select[Any]:
    """What fires or waits, or everything; what fires first, the oldest first."""
    return _listed(sql) if everything else _listed(sql).where(~quiet(sql))


@cache
def these(sql: Sql) -> Select[Any]:
    """Some alerts with their deliveries."""
    return _listed(sql).where(sql.tables.outbox.c.identity.in_(IDENTITIES))


@cache
def identities_of(sql: Sql) -> Select[Any]:
    """The label sets of one breaker, all its scopes."""
    o = sql.tables.outbox.c
    return select(o.identity).where(o.name == value(o.name)).order_by(o.identity)


@cache
def identities_like(sql: Sql) -> Select[Any]:
    """The label sets whose identity is like a pattern."""
    o = sql.tables.outbox.c
    return select(o.identity).where(o.identity.like(parameter("pattern", String()))).order_by(o.identity)


@cache
def names(sql: Sql) -> Executable:
    """What a misspelt name may have meant: every breaker, and every alert's."""
    return union(select(sql.tables.outbox.c.name), select(sql.tables.breakers.c.name))


@cache
def incidents(sql: Sql) -> Select[Any]:
    """The incidents that some alerts are about."""
    o, i = sql.tables.outbox.c, sql.tables.incidents
    return (
        select(i, o.identity.label("outbox_identity"))
        .join(sql.tables.outbox, o.incident_id == i.c.id)
        .where(o.identity.in_(IDENTITIES))
    )


def _troubled(sql: Sql) -> ColumnElement[bool]:
    d = sql.tables.deliveries.c
    return or_(d.parked_version.is_not(None), d.attempts > 0)


@cache
def at_work(sql: Sql, *, everything: bool) -> Select[Any]:
    """How many deliveries that failed are with a relay just now."""
    d = sql.tables.deliveries.c
    found = select(func.count()).select_from(sql.tables.deliveries).where(_troubled(sql), d.lease_until > sql.now)
    return found if everything else found.where(d.identity.in_(IDENTITIES))


@cache
def retry(sql: Sql, *, everything: bool) -> Executable:
    """Make deliveries due at once that were refused or that fail. What a relay has just claimed is left to it."""
    d = sql.tables.deliveries
    free = or_(d.c.lease_until.is_(None), d.c.lease_until <= sql.now)
    found = select(d.c.identity, d.c.channel).where(_troubled(sql), free)
    if not everything:
        found = found.where(d.c.identity.in_(IDENTITIES))
    # Never waits for a relay, which would wait for us: two who lock many rows each must not meet.
    found = found.with_for_update(skip_locked=True)
    return (
        update(d)
        .where(tuple_(d.c.identity, d.c.channel).in_(found))
        .values(next_at=sql.now, attempts=0, parked_version=null(), parked_at=null(), parked_body=null())
        .returning(d.c.identity, d.c.channel)
    )
