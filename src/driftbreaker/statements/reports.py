"""Statements of a report: clear a streak, count one more, and open the breaker when that was one too many."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import Boolean, ColumnElement, Executable, and_, case, false, null, or_, select, update

from ..model import Status
from .dialect import COUNT, Sql, parameter, value
from .reads import expired, instant, this_breaker


def admitted(sql: Sql) -> ColumnElement[bool]:
    """The fence: a report that was admitted in one generation changes nothing in another."""
    generation = parameter("generation", COUNT)
    return or_(generation.is_(None), sql.tables.breakers.c.generation == generation)


@cache
def clear_streak(sql: Sql) -> Executable:
    """A good report: clear the streak where there is one.

    On PostgreSQL one statement that also says whether the breaker has expired; with nothing to clear it takes no
    lock and writes no WAL. Elsewhere the guarded UPDATE alone.
    """
    b = sql.tables.breakers
    cleared = (
        update(b)
        .where(this_breaker(sql), b.c.status == Status.CLOSED.value, b.c.failures > 0, admitted(sql))
        .values(failures=0)
    )
    if not sql.writes_in_one_statement:
        return cleared.returning(false().label("expired"), b.c.settings_hash, instant(sql).label("at"))
    done = cleared.returning(b.c.settings_hash, instant(sql).label("at")).cte("cleared")
    found = (select(column).scalar_subquery().label(column.name) for column in done.c)
    return select(expired(sql).label("expired"), *found).where(this_breaker(sql))


@cache
def count_bad(sql: Sql) -> Executable:
    """A bad report: one more, and open when that reaches the threshold. Whoever gets the opened row back tripped it.

    Guarded by the status (an open breaker is not touched), the generation (a late report changes nothing), and
    inside by the threshold, the switch for automatic opening, and a force that is still on.
    """
    b = sql.tables.breakers
    c = b.c
    at = instant(sql)
    opens = and_(
        parameter("auto_disable", Boolean()),
        c.failures + 1 >= parameter("failure_threshold", COUNT),
        or_(c.forced_until.is_(None), c.forced_until <= sql.now),
    )
    opened: dict[str, ColumnElement[Any]] = {
        "status": value(c.status),
        "opened_at": at,
        "changed_at": at,
        "until": sql.later(at, parameter("ttl", COUNT)),
        "auto_recover": value(c.auto_recover),
        "reason": value(c.reason),
        "actor": value(c.actor),
        "incident_id": value(c.incident_id),
        "alert_identity": value(c.alert_identity),
        "forced_until": null(),
        "forced_by": null(),
        "forced_reason": null(),
        "trip_count": c.trip_count + 1,
        "generation": c.generation + 1,
        "version": c.version + 1,
    }
    return (
        update(b)
        .where(this_breaker(sql), c.status == Status.CLOSED.value, admitted(sql))
        .values(
            failures=c.failures + 1,
            last_failure_at=at,
            **{name: case((opens, new), else_=c[name]) for name, new in opened.items()},
        )
        .returning(c.status, c.failures, c.opened_at, c.until, c.generation, c.version, c.settings_hash, at.label("at"))
    )


@cache
def create(sql: Sql) -> Executable:
    """An empty closed row, unless somebody made it first: any number of racers make one row and no error."""
    b = sql.tables.breakers
    row = {name: value(b.c[name]) for name in ("name", "scope", "settings", "settings_hash")}
    insert: Executable = sql.insert(b).values(**row, changed_at=sql.now).on_conflict_do_nothing()
    return insert
