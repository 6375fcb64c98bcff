"""Statements of a report: clear a streak, or count one more and say whether that was one too many."""

from __future__ import annotations

from functools import cache

from sqlalchemy import Boolean, ColumnElement, Executable, and_, case, false, func, or_, select, true, update

from ..model import Status
from .dialect import COUNT, Sql, parameter, value, word
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
        .where(this_breaker(sql), b.c.status == word(Status.CLOSED), b.c.failures > 0, admitted(sql))
        .values(failures=0)
    )
    if not sql.writes_in_one_statement:
        return cleared.returning(false().label("expired"), b.c.settings_hash, instant(sql).label("at"))
    done = cleared.returning(b.c.settings_hash, instant(sql).label("at")).cte("cleared")
    found = (select(column).scalar_subquery().label(column.name) for column in done.c)
    return select(expired(sql).label("expired"), *found).where(this_breaker(sql))


@cache
def count_bad(sql: Sql) -> Executable:
    """Reports with a bad one among them: count them, and say whether that was one too many.

    They come folded, as `policy.Streak` has them, in the order of the calls; one bad report is the streak of one.
    Guarded by the status (an open breaker is not touched) and the generation (a late report changes nothing); whether
    it ``trips`` also by the switch for automatic opening and a force that is still on. Whoever gets a row back holds
    its lock until the caller's transaction ends, so that whoever is told to trip is alone in that.

    On PostgreSQL there is a row for every breaker that exists; one that was not counted has no ``trips``.
    """
    b = sql.tables.breakers
    c = b.c
    threshold, prefix, longest, suffix = (
        parameter(name, COUNT) for name in ("failure_threshold", "prefix", "longest", "suffix")
    )
    # Not "IS NULL OR …": in RETURNING, SQLite 3.40 answers false to IS NULL for a NULL.
    not_forced = func.coalesce(c.forced_until <= sql.now, true())
    may_trip = and_(parameter("auto_disable", Boolean()), not_forced)
    in_prefix = and_(prefix > 0, c.failures + prefix >= threshold)
    failures = case(
        # Where it trips, the streak stays as it was then: what follows in the batch meets an open breaker.
        (and_(in_prefix, may_trip), sql.greatest(c.failures + 1, threshold)),
        (and_(longest >= threshold, may_trip), threshold),
        (parameter("any_good", Boolean()), suffix),
        else_=c.failures + suffix,
    )
    at = instant(sql)
    counted = (
        update(b)
        .where(this_breaker(sql), c.status == word(Status.CLOSED), admitted(sql))
        .values(failures=failures, last_failure_at=at)
        .returning(
            *(c[name] for name in ("status", "generation", "version", "trip_count", "settings_hash")),
            at.label("at"),
            # Of the row as it is now: below the threshold unless one of the two first cases above wrote it.
            and_(c.failures >= threshold, may_trip).label("trips"),
        )
    )
    if not sql.writes_in_one_statement:
        return counted
    # One statement says as well what is there when nothing was counted: an open breaker costs no second one.
    done = counted.cte("counted")
    # What was counted is read under the lock, and may be newer than what is seen.
    newest = (func.coalesce(done.c[name], c[name]).label(name) for name in ("status", "generation"))
    counts = (done.c[name] for name in ("version", "trip_count", "settings_hash", "at", "trips"))
    return (
        select(*newest, *counts, expired(sql).label("expired"))
        .select_from(b.outerjoin(done, true()))
        .where(this_breaker(sql))
    )


@cache
def create(sql: Sql) -> Executable:
    """An empty closed row, unless somebody made it first: any number of racers make one row and no error."""
    b = sql.tables.breakers
    row = {name: value(b.c[name]) for name in ("name", "scope", "settings", "settings_hash")}
    insert: Executable = sql.insert(b).values(**row, changed_at=sql.now).on_conflict_do_nothing()
    return insert
