"""Statements of the relay: what is due, claimed under a lease, and settled. It never writes the outbox but to prune it.

A delivery is one channel's side of one alert: which version of it the channel has seen, and when it is due again. All
times are the database's, leases included.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Delete,
    Executable,
    Select,
    Update,
    and_,
    bindparam,
    case,
    delete,
    exists,
    false,
    func,
    null,
    or_,
    select,
    update,
)

from ..model import AlertState, Status
from .dialect import COUNT, Sql, parameter, value, word
from .reads import expired

LOOKS_BACK = 900  # seconds
IDENTITIES: BindParameter[Any] = bindparam("p_identities")


def of_channel(sql: Sql) -> ColumnElement[bool]:
    """The deliveries of the channel at hand."""
    d = sql.tables.deliveries.c
    return d.channel == value(d.channel)


def lapsed(sql: Sql) -> ColumnElement[bool]:
    """Fires, though its end has passed: the breaker has recovered, and only nobody wrote that yet. Never sent."""
    o = sql.tables.outbox.c
    return and_(o.state == word(AlertState.FIRING), func.coalesce(o.ends_at, sql.now) < sql.now)


def free(sql: Sql) -> ColumnElement[bool]:
    """Nobody is at it."""
    d = sql.tables.deliveries.c
    return or_(d.lease_until.is_(None), d.lease_until <= sql.now)


@cache
def find_due(sql: Sql, *, everything: bool) -> Select[Any]:
    """What a channel should send: one read, which is all that a pass over nothing costs.

    What has waited for its time is found by the partial index of that; what has changed since the channel saw it by
    the time of the change, within the last quarter of an hour. A transaction that took longer than that to commit is
    found by looking through `everything`, which a relay does at its start and now and then.
    """
    o, d = sql.tables.outbox, sql.tables.deliveries
    timely = (
        select(o.c.identity, false().label("new"), d.c.next_at.label("since"))
        .select_from(d.join(o, o.c.identity == d.c.identity))
        .where(of_channel(sql), d.c.next_at <= sql.now, free(sql), ~lapsed(sql))
    )
    unseen = or_(d.c.identity.is_(None), and_(o.c.version != d.c.version_seen, free(sql)))
    changed = (
        select(o.c.identity, d.c.identity.is_(None).label("new"), o.c.changed_at.label("since"))
        .select_from(o.outerjoin(d, and_(d.c.identity == o.c.identity, of_channel(sql))))
        .where(unseen, ~lapsed(sql))
    )
    if not everything:
        changed = changed.where(o.c.changed_at > sql.earlier(sql.now, LOOKS_BACK))
    found = timely.union_all(changed).subquery("found")
    first = func.min(found.c.since)
    return (
        select(found.c.identity, found.c.new)
        .group_by(found.c.identity, found.c.new)
        .order_by(first)
        .limit(parameter("limit", COUNT))
    )


@cache
def enrol(sql: Sql) -> Executable:
    """Begin the delivery of one alert by one channel, unless somebody did."""
    d = sql.tables.deliveries
    row = {name: value(d.c[name]) for name in ("identity", "channel")}
    insert: Executable = sql.insert(d).values(row).on_conflict_do_nothing()
    return insert


@cache
def claim(sql: Sql) -> Executable:
    """Take the deliveries of some alerts that are due still, under a lease. What another relay holds is passed over."""
    o, d = sql.tables.outbox, sql.tables.deliveries
    found = (
        select(d.c.identity)
        .join(o, o.c.identity == d.c.identity)
        .where(
            of_channel(sql),
            d.c.identity.in_(IDENTITIES),
            or_(o.c.version != d.c.version_seen, d.c.next_at <= sql.now),
            free(sql),
            ~lapsed(sql),
        )
    )
    return (
        update(d)
        .where(of_channel(sql), d.c.identity.in_(found.with_for_update(of=d, skip_locked=True)))
        .values(lease=value(d.c.lease), lease_until=sql.later(sql.now, parameter("lease_length", COUNT)))
        .returning(d.c.identity, d.c.attempts, d.c.sends, d.c.version_sent, d.c.state_sent, d.c.incident_sent)
    )


@cache
def alerts(sql: Sql) -> Select[Any]:
    """The alerts of some label sets as they are now, each with its incident and who holds the breaker."""
    o, i, b = sql.tables.outbox, sql.tables.incidents, sql.tables.breakers
    alert = (o.c[name].label(f"outbox_{name}") for name in o.c.keys())  # noqa: SIM118  columns, not a dictionary
    held = case((b.c.incident_id == o.c.incident_id, b.c.hold_by), else_=null()).label("held_by")
    return (
        select(*alert, i, held, b.c.hold_until, sql.now.label("now"))
        .join(i, i.c.id == o.c.incident_id)
        .outerjoin(b, and_(b.c.name == o.c.name, b.c.scope == o.c.scope))
        .where(o.c.identity.in_(IDENTITIES))
    )


@cache
def earlier_incidents(sql: Sql) -> Select[Any]:
    """The incidents of some label sets from the one that the channel took last, oldest first."""
    i, d = sql.tables.incidents, sql.tables.deliveries
    last = i.alias("last_taken")
    since = (
        select(last.c.seq)
        .join(d, d.c.incident_sent == last.c.id)
        .where(of_channel(sql), d.c.identity == i.c.alert_identity)
        .scalar_subquery()
    )
    return (
        select(i).where(i.c.alert_identity.in_(IDENTITIES), i.c.seq >= func.coalesce(since, 0)).order_by(i.c.seq.asc())
    )


def _settle(sql: Sql, **values: Any) -> Update:
    """Give a claim back. A lease that was lost to another relay settles nothing."""
    d = sql.tables.deliveries
    return (
        update(d)
        .where(d.c.identity == value(d.c.identity), of_channel(sql), d.c.lease == value(d.c.lease))
        .values(version_seen=value(d.c.version_seen), lease=null(), lease_until=null(), **values)
    )


def _again(sql: Sql) -> ColumnElement[Any]:
    return sql.later(sql.now, parameter("delay", COUNT))


@cache
def settle_accepted(sql: Sql) -> Update:
    """Taken: when to say it again, and that there is nothing wrong any more."""
    d = sql.tables.deliveries
    first = case((d.c.first_sent_at.is_(None), sql.now), else_=d.c.first_sent_at)
    same = d.c.version_sent == value(d.c.version_seen)
    return _settle(
        sql,
        version_sent=value(d.c.version_seen),
        state_sent=value(d.c.state_sent),
        incident_sent=value(d.c.incident_sent),
        sends=case((same, d.c.sends + 1), else_=1),
        first_sent_at=first,
        last_sent_at=sql.now,
        next_at=_again(sql),
        attempts=0,
        last_error=null(),
        parked_version=null(),
        parked_at=null(),
        parked_body=null(),
    )


@cache
def settle_failed(sql: Sql) -> Update:
    """Not taken for now: when to try again. What was parked before was an earlier version."""
    d = sql.tables.deliveries
    return _settle(
        sql,
        next_at=_again(sql),
        attempts=d.c.attempts + 1,
        last_error=value(d.c.last_error),
        parked_version=null(),
        parked_at=null(),
        parked_body=null(),
    )


@cache
def settle_refused(sql: Sql) -> Update:
    """Refused for good: this version is parked with its body, and the next is due by itself."""
    d = sql.tables.deliveries
    return _settle(
        sql,
        next_at=null(),
        attempts=d.c.attempts + 1,
        last_error=value(d.c.last_error),
        parked_version=value(d.c.version_seen),
        parked_at=sql.now,
        parked_body=value(d.c.parked_body),
    )


@cache
def settle_untold(sql: Sql) -> Update:
    """Nothing that this channel wants to hear of."""
    return _settle(sql, next_at=null())


@cache
def mark_sent(sql: Sql) -> Update:
    """Say in some incidents that a channel took their firing alert. Whoever holds one is not waited for."""
    i = sql.tables.incidents
    unmarked = select(i.c.id).where(i.c.id.in_(bindparam("p_incidents")), i.c.alert_sent_at.is_(None))
    return update(i).where(i.c.id.in_(unmarked.with_for_update(skip_locked=True))).values(alert_sent_at=sql.now)


@cache
def unmarked(sql: Sql) -> Select[Any]:
    """Incidents whose firing alert was taken, though they do not say so: somebody held them at the time."""
    i, d = sql.tables.incidents, sql.tables.deliveries
    return (
        select(i.c.id)
        .join(d, d.c.incident_sent == i.c.id)
        .where(i.c.alert_sent_at.is_(None), d.c.state_sent.is_not(None))
        .limit(parameter("limit", COUNT))
    )


@cache
def expired_breakers(sql: Sql) -> Select[Any]:
    """Breakers whose recovery nobody has written yet, by the index of the open ones."""
    b = sql.tables.breakers.c
    return (
        select(b.name, b.scope)
        .where(b.status != word(Status.CLOSED), expired(sql))
        .order_by(b.name, b.scope)
        .limit(parameter("limit", COUNT))
    )


@cache
def finished(sql: Sql) -> Select[Any]:
    """Alerts that ended long ago and that every channel has done with; parked ones only after a time of their own.

    A delivery that nobody touched for a month belongs to a channel that is gone, and keeps nothing.
    """
    o, d = sql.tables.outbox, sql.tables.deliveries
    of_it = d.c.identity == o.c.identity
    kept = sql.later(o.c.changed_at, parameter("keep", COUNT)) > sql.now
    parked = sql.later(d.c.parked_at, parameter("keep_parked", COUNT)) > sql.now
    month = parameter("abandoned", COUNT)
    unseen = and_(d.c.version_seen != o.c.version, sql.later(o.c.changed_at, month) > sql.now)
    waits = sql.later(d.c.next_at, month) > sql.now
    at_work = or_(unseen, waits, d.c.lease_until > sql.now, parked)
    return (
        select(o.c.identity, o.c.name, o.c.scope, o.c.version)
        .where(
            o.c.state == word(AlertState.RESOLVED),
            ~kept,
            exists().where(of_it),
            ~exists().where(of_it, func.coalesce(at_work, False)),
        )
        .order_by(o.c.name, o.c.scope)
        .limit(parameter("limit", COUNT))
    )


@cache
def lock_quietly(sql: Sql) -> Select[Any]:
    """Lock one breaker's row, or nothing where somebody holds it: an outbox row is written under its breaker's lock."""
    b = sql.tables.breakers
    found = select(b.c.name).where(b.c.name == value(b.c.name), b.c.scope == value(b.c.scope))
    return found.with_for_update(skip_locked=True)


@cache
def prune_alert(sql: Sql) -> Delete:
    """Forget an alert that has not changed since it was found finished."""
    o = sql.tables.outbox
    return delete(o).where(
        o.c.identity == value(o.c.identity),
        o.c.version == value(o.c.version),
        o.c.state == word(AlertState.RESOLVED),
    )


@cache
def prune_deliveries(sql: Sql) -> Delete:
    """Forget the deliveries of one alert."""
    d = sql.tables.deliveries
    return delete(d).where(d.c.identity == value(d.c.identity))
