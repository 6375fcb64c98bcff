"""Statements that only read: checks, states, incidents and history."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, false, func, null, or_, select

from ..model import Status
from .dialect import COUNT, Sql, parameter, value, word


def this_breaker(sql: Sql) -> ColumnElement[bool]:
    """The row of the breaker at hand."""
    b = sql.tables.breakers.c
    return and_(b.name == value(b.name), b.scope == value(b.scope))


def this_breaker_and_its_whole(sql: Sql) -> ColumnElement[bool]:
    """The row of the breaker at hand and the row of the whole that it is a scope of."""
    b = sql.tables.breakers.c
    return and_(b.name == value(b.name), or_(b.scope == "", b.scope == value(b.scope)))


def expired(sql: Sql) -> ColumnElement[bool]:
    """Open, recovering by itself, end past."""
    b = sql.tables.breakers.c
    return and_(b.status == word(Status.OPEN), b.auto_recover, b.until <= sql.now)


def instant(sql: Sql) -> ColumnElement[Any]:
    """A writer's instant: now, but never before the breaker's last change or failure.

    A statement that waited for a lock carries an old "now"; time must not run backwards within a breaker.
    """
    b = sql.tables.breakers.c
    last = sql.greatest(b.changed_at, func.coalesce(b.last_failure_at, b.changed_at))
    return sql.greatest(sql.now, last)


@cache
def check(sql: Sql, *, scoped: bool, may_recover: bool) -> Select[Any]:
    """Is it open (or, with a scope, the whole that it is a scope of)?

    One read by primary key that locks nothing and writes nothing; no row means closed. With `may_recover` it also says
    of an expired row, and only of that, whether this transaction is one in which its recovery may be written along.
    """
    b = sql.tables.breakers.c
    over = expired(sql)
    answer = [b.scope, b.status, over.label("expired")]
    if may_recover:
        answer.append(and_(over, sql.may_recover()).label("may_recover"))
    return select(*answer).where(this_breaker_and_its_whole(sql) if scoped else this_breaker(sql))


@cache
def may_write(sql: Sql) -> Select[Any]:
    """Is this role granted what a recovery writes? The parameters are the tables' names on the connection."""
    return select(sql.may_write().label("may_write"))


@cache
def now(sql: Sql) -> Select[Any]:
    """The time, where there is no row to read it with."""
    return select(sql.now.label("now"))


@cache
def look(sql: Sql) -> Select[Any]:
    """What a report found when its guarded UPDATE found nothing."""
    b = sql.tables.breakers.c
    nothing_cleared = (null().label("settings_hash"), null().label("at"))
    return select(b.status, b.failures, b.generation, expired(sql).label("expired"), *nothing_cleared).where(
        this_breaker(sql)
    )


@cache
def state(sql: Sql) -> Select[Any]:
    """Everything that a state shows, of the breaker and of its whole."""
    b = sql.tables.breakers
    return select(b, expired(sql).label("expired"), sql.now.label("now")).where(this_breaker_and_its_whole(sql))


@cache
def incidents(sql: Sql, *, include_resolved: bool) -> Select[Any]:
    """The newest incidents of a breaker; the one of an expired breaker reads as resolved at the breaker's end."""
    i = sql.tables.incidents.c
    statement = (
        _incidents(sql)
        .where(i.name == value(i.name), i.scope == value(i.scope))
        .order_by(i.ts.desc(), i.seq.desc())
        .limit(parameter("limit", COUNT))
    )
    if include_resolved:
        return statement
    return statement.where(i.resolved_at.is_(None), func.coalesce(_lapsed(sql), false()).is_(false()))


@cache
def incident(sql: Sql) -> Select[Any]:
    """One incident, of whatever breaker, by its id."""
    i = sql.tables.incidents.c
    return _incidents(sql).where(i.id == value(i.id, "incident_id"))


def _incidents(sql: Sql) -> Select[Any]:
    i, b = sql.tables.incidents.c, sql.tables.breakers.c
    lapsed_at = case((_lapsed(sql), sql.greatest(b.until, b.changed_at)), else_=null())
    ours = sql.tables.incidents.outerjoin(sql.tables.breakers, and_(b.name == i.name, b.scope == i.scope))
    return select(sql.tables.incidents, lapsed_at.label("lapsed_at")).select_from(ours)


def _lapsed(sql: Sql) -> ColumnElement[bool]:
    return and_(sql.tables.breakers.c.incident_id == sql.tables.incidents.c.id, expired(sql))


@cache
def history(sql: Sql) -> Select[Any]:
    """The newest changes of a breaker, before a given one where asked."""
    h = sql.tables.history.c
    before = parameter("before", COUNT)
    return (
        select(sql.tables.history)
        .where(h.name == value(h.name), h.scope == value(h.scope), or_(before.is_(None), h.seq < before))
        .order_by(h.seq.desc())
        .limit(parameter("limit", COUNT))
    )
