"""What a report does to the breaker: clear its streak, count one more, trip it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sqlalchemy import Row

from ..checks import MAX_INTEGER
from ..model import TRIPPED_BY, ActorKind, Change, Incident, Observation, Severity, Status
from ..policy import Batch, add_errors, count_errors, warns
from ..statements import reads, reports, transitions
from .transition import (
    Cause,
    Opening,
    contended,
    create,
    keep_counts,
    keep_settings,
    lock_and_recover,
    recover,
    trip_locked,
)

if TYPE_CHECKING:
    from .joined import Joined

# A round is needed only when somebody else changed the row in between: this many in a row mean something is wrong.
ROUNDS = 100


def report_drift(joined: Joined, batch: Batch, generation: int | None) -> Incident | None:
    """Report observations of one breaker as one step.

    Returns the incident when they opened the breaker. It tells of the worst of the bad ones; one warning tells of the
    highest of the good ones.
    """
    incident = None
    if batch.worst is not None:
        incident = _count_bad(joined, batch, batch.worst, generation)
    elif batch.streak.any_good:
        _clear_streak(joined, generation)
    if batch.highest_good is not None:
        _warn(joined, batch.highest_good)
    return incident


def _warn(joined: Joined, score: float) -> None:
    settings = joined.settings
    if warns(score, settings.warning_threshold, settings.drift_threshold):
        joined.tell("warning", score=score, threshold=settings.warning_threshold)


def _clear_streak(joined: Joined, generation: int | None) -> None:
    """Only good ones: clear the streak where there is one; recover an expired breaker."""
    if joined.sql.writes_in_one_statement:
        row = joined.run(reports.clear_streak(joined.sql), generation=generation).one_or_none()
    else:
        row = _clear_by_steps(joined, generation)
    if row is not None and row.settings_hash is not None:
        joined.wrote = True
        keep_settings(joined, row.settings_hash, row.at)
    if row is not None and row.expired:
        lock_and_recover(joined)


def _clear_by_steps(joined: Joined, generation: int | None) -> Row[Any] | None:
    if joined.reads_first():
        seen = _look(joined)
        if seen is None or seen.expired or seen.status != Status.CLOSED or seen.failures == 0:
            return seen
    cleared = joined.run(reports.clear_streak(joined.sql), generation=generation).one_or_none()
    return _look(joined) if cleared is None else cleared


def _count_bad(joined: Joined, batch: Batch, worst: Observation, generation: int | None) -> Incident | None:
    """Bad ones among them: count; return the incident when this very call opened the breaker."""
    look_first = joined.reads_first()
    for _ in range(ROUNDS):
        counted, row = (False, _look(joined)) if look_first else _count(joined, batch, generation)
        if counted and row is not None:
            incident = trip_locked(joined, row, _drift_opening(joined, batch, worst)) if row.trips else None
            keep_settings(joined, row.settings_hash, row.at)
            return incident
        look_first = False
        if not _countable(joined, row, generation):
            return None
    raise contended(joined)


def _count(joined: Joined, batch: Batch, generation: int | None) -> tuple[bool, Row[Any] | None]:
    """Return whether it counted, and the row as it is now; None when there is none."""
    settings, streak = joined.settings, batch.streak
    row = joined.run(
        reports.count_bad(joined.sql),
        generation=generation,
        prefix=streak.prefix,
        longest=streak.longest,
        suffix=streak.suffix,
        any_good=streak.any_good,
        auto_disable=settings.auto_disable,
        failure_threshold=settings.failure_threshold,
    ).one_or_none()
    if joined.sql.writes_in_one_statement:
        counted = row is not None and row.trips is not None
    else:
        counted = row is not None
        row = row if counted else _look(joined)
    joined.wrote = joined.wrote or counted
    return counted, row


def _countable(joined: Joined, seen: Row[Any] | None, generation: int | None) -> bool:
    """Return whether counting may be tried again, after doing what stood in its way."""
    if seen is not None and seen.expired:
        # Whoever reports: it is over, whatever the report itself may change.
        lock_and_recover(joined)
        return generation in (None, seen.generation + 1)
    if generation not in (None, 0 if seen is None else seen.generation):
        return False
    if seen is None:
        create(joined)
        return True
    return bool(seen.status == Status.CLOSED)


def _look(joined: Joined) -> Row[Any] | None:
    return joined.run(reads.look(joined.sql)).one_or_none()


def report_schema_errors(
    joined: Joined, count: int, details: dict[str, Any], generation: int | None
) -> Incident | None:
    """Add schema errors to the rolling hour; return the incident when they opened the breaker.

    An open breaker is not even locked.
    """
    look_first = joined.reads_first()
    for _ in range(ROUNDS):
        row = None if look_first else joined.run(transitions.lock_countable(joined.sql)).one_or_none()
        if row is not None and row.expired:
            recover(joined, row)
        elif row is not None:
            return _add_errors(joined, row, count, details, generation)
        elif not _countable(joined, _look(joined), generation):
            return None
        look_first = False
    raise contended(joined)


def _add_errors(
    joined: Joined, row: Row[Any], count: int, details: dict[str, Any], generation: int | None
) -> Incident | None:
    if generation not in (None, row.generation):
        return None
    settings = joined.settings
    buckets = add_errors(row.schema_errors, row.at, count)
    total = count_errors(buckets, row.at)
    keep_settings(joined, row.settings_hash, row.at)
    forced = row.forced_until is not None and row.forced_until > row.at
    if forced or not settings.auto_disable or total < settings.schema_error_threshold:
        keep_counts(joined, schema_errors=buckets, last_failure_at=row.at)
        return None
    opening = _schema_opening(joined, total, details)
    return trip_locked(joined, row, opening, schema_errors=buckets, last_failure_at=row.at)


def _drift_opening(joined: Joined, batch: Batch, worst: Observation) -> Opening:
    """Return the opening that a batch may turn into."""
    settings = joined.settings
    why = worst.why or f"Drift score {worst.score:g} above {settings.drift_threshold:g}"
    reason = f"{why}; failure threshold {settings.failure_threshold} reached"
    return _trip(joined, Severity.P1, reason, worst.score, min(batch.samples, MAX_INTEGER), worst.details)


def _schema_opening(joined: Joined, errors: int, details: dict[str, Any]) -> Opening:
    """Return the opening that schema errors may turn into."""
    reason = f"Schema errors within an hour; schema error threshold {joined.settings.schema_error_threshold} reached"
    return _trip(joined, Severity.P3, reason, 1.0, errors, details)


def _trip(
    joined: Joined, severity: Severity, reason: str, score: float, samples: int, details: dict[str, Any]
) -> Opening:
    return Opening(
        incident_id=str(uuid4()),
        cause=Cause(change=Change.TRIP, actor=TRIPPED_BY, actor_kind=ActorKind.SYSTEM, reason=reason),
        severity=severity,
        drift_score=score,
        sample_count=samples,
        details=details,
        alert=joined.settings.alert,
    )
