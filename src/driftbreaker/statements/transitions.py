"""Statements of a transition: lock the breaker's row, then write what changes, all in the caller's transaction."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Executable, Insert, String, Update, and_, case, or_, select, update

from ..model import AlertState, IncidentStatus, Status
from .dialect import Sql, constant, parameter, value, values_of, word
from .reads import expired, instant, this_breaker


@cache
def lock(sql: Sql) -> Executable:
    """Lock the breaker's row and read what the lock now protects."""
    return _lock(sql, this_breaker(sql))


@cache
def lock_countable(sql: Sql) -> Executable:
    """Lock the breaker's row unless it is open: what an open breaker ignores must not wait for its writers."""
    closed = sql.tables.breakers.c.status == word(Status.CLOSED)
    return _lock(sql, and_(this_breaker(sql), or_(closed, expired(sql))))


def _lock(sql: Sql, where: ColumnElement[bool]) -> Executable:
    b = sql.tables.breakers
    read = (b, expired(sql).label("expired"), instant(sql).label("at"))
    if sql.locks_rows:
        return select(*read).where(where).with_for_update()
    # No FOR UPDATE here: an UPDATE that changes nothing takes the write lock, and RETURNING reads.
    return update(b).where(where).values(version=b.c.version).returning(*read)


@cache
def lock_if_expired(sql: Sql) -> Executable:
    """Lock an expired breaker together with its incident, or nothing: whoever holds either will see to it.

    Both in one step: a breaker whose incident has moved on drops out.
    """
    b, i = sql.tables.breakers, sql.tables.incidents
    if not sql.locks_rows:
        return _lock(sql, and_(this_breaker(sql), expired(sql)))
    return (
        select(b, expired(sql).label("expired"), instant(sql).label("at"))
        .join(i, i.c.id == b.c.incident_id)
        .where(this_breaker(sql), expired(sql))
        .with_for_update(of=(b, i), skip_locked=True)
    )


@cache
def change_breaker(sql: Sql, *columns: str) -> Update:
    """Write columns of a breaker whose row is locked, as a new version of it."""
    b = sql.tables.breakers
    values = {name: value(b.c[name]) for name in columns}
    return update(b).where(this_breaker(sql)).values(**values, version=b.c.version + 1)


@cache
def keep_counts(sql: Sql, *columns: str) -> Executable:
    """Write columns of a locked breaker that are no change of what it says: its version stays."""
    b = sql.tables.breakers
    return update(b).where(this_breaker(sql)).values({name: value(b.c[name]) for name in columns})


@cache
def keep_settings(sql: Sql) -> Executable:
    """Copy the code's settings into a row that carries others: a change on record, though no new version."""
    b = sql.tables.breakers
    new = {name: value(b.c[name]) for name in ("settings", "settings_hash")}
    other = b.c.settings_hash.is_distinct_from(new["settings_hash"])
    return (
        update(b)
        .where(this_breaker(sql), other)
        .values(**new, changed_at=value(b.c.changed_at, "at"))
        .returning(b.c.status, b.c.generation, b.c.version)
    )


@cache
def opening(sql: Sql, *columns: str, notify: bool) -> tuple[Executable, ...]:
    """The rows of an opening: the columns of its locked breaker, its incident, its alert, its history entry.

    On PostgreSQL in one statement, elsewhere in one each.
    """
    breaker = change_breaker(sql, *columns)
    incident = sql.tables.incidents.insert().values(_incident_row(sql))
    history = _new_history(sql, notify=notify)
    if sql.writes_in_one_statement:
        with_it = (incident.cte("new_incident"), history.cte("new_history"), breaker.cte("changed"))
        return (_fire(sql).add_cte(*with_it),)
    return breaker, incident, _fire(sql), history


def _incident_row(sql: Sql) -> dict[str, Any]:
    given_later = ("seq", "alert_sent_at", "acknowledged_at", "acknowledged_by", "assigned_to")
    resolution = ("resolved_at", "resolved_by", "resolution_notes", "superseded_by")
    row = values_of(sql.tables.incidents, *given_later, *resolution)
    own_id = value(sql.tables.incidents.c.id, "incident_id")
    return {**row, "id": own_id, "status": word(IncidentStatus.OPEN)}


@cache
def add_history(sql: Sql, *, notify: bool) -> Executable:
    """One history entry."""
    return _new_history(sql, notify=notify)


def _new_history(sql: Sql, *, notify: bool) -> Insert:
    """One history entry; with `notify`, the switchboards of other processes hear of it when the caller commits."""
    entry = sql.tables.history.insert().values(_history_row(sql))
    # In the statement that every change makes last: a wake-up of its own would be one more round trip.
    wake = sql.notify(constant(sql.tables.channel), parameter("message", String())) if notify else None
    return entry if wake is None else entry.returning(wake.label("woken"))


def _history_row(sql: Sql) -> dict[str, Any]:
    h = sql.tables.history
    return {
        **values_of(h, "seq", "number", "hash"),
        "details": value(h.c.details, "change_details"),
        "reason": value(h.c.reason, "change_reason"),
        "actor": value(h.c.actor, "change_actor"),
    }


def _fire(sql: Sql) -> Any:
    """Make the alert of a label set fire. One that fires already keeps its start: it never stopped."""
    o = sql.tables.outbox
    firing = word(AlertState.FIRING)
    row = {**values_of(o), "state": firing, "version": 1, "changed_at": sql.now}
    insert = sql.insert(o).values(row)
    kept = ("identity", "name", "scope", "labels", "starts_at", "version")
    return insert.on_conflict_do_update(
        index_elements=[o.c.identity],
        set_={
            **{name: insert.excluded[name] for name in row if name not in kept},
            "starts_at": case((o.c.state == firing, o.c.starts_at), else_=insert.excluded.starts_at),
            "version": o.c.version + 1,
        },
    )


@cache
def resolve_incident(sql: Sql) -> Executable:
    """Resolve one incident, by its id."""
    i = sql.tables.incidents
    resolution = ("status", "resolved_at", "resolved_by", "resolution_notes", "superseded_by")
    return (
        update(i).where(i.c.id == value(i.c.id, "incident_id")).values({name: value(i.c[name]) for name in resolution})
    )


@cache
def prolong_incident(sql: Sql) -> Executable:
    """Give one incident another end, and return it."""
    i = sql.tables.incidents
    return update(i).where(i.c.id == value(i.c.id, "incident_id")).values(until=value(i.c.until)).returning(*i.columns)


@cache
def end_alert(sql: Sql) -> Executable:
    """Resolve the alert of a label set: the same labels, the same start, an end."""
    return _change_alert(sql, AlertState.RESOLVED)


@cache
def prolong_alert(sql: Sql) -> Executable:
    """Give a firing alert another end."""
    return _change_alert(sql, AlertState.FIRING)


def _change_alert(sql: Sql, state: AlertState) -> Executable:
    o = sql.tables.outbox
    # When it was written, not what it is dated: a recovery may be written days after its time, and is news then.
    changed = {
        "ends_at": value(o.c.ends_at),
        "changed_at": sql.now,
        "version": o.c.version + 1,
    }
    return update(o).where(o.c.identity == value(o.c.identity)).values(**changed, state=word(state))
