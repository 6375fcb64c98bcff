"""The steps of every change of state. Each runs under the breaker's row lock and writes all that belongs together."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row

from ..errors import ContendedError
from ..model import RECOVERED_BY, ActorKind, Change, Incident, IncidentStatus, Severity, Status
from ..settings import AlertSettings, identity_of
from ..statements import reports, transitions
from .messages import message_of
from .records import RECOVERY_REASON

if TYPE_CHECKING:
    from .joined import Joined

#: How an actor is known: by saying so, or because it is us.
CLAIMED, SYSTEM = "claimed", "system"
NOT_HELD = {"hold_until": None, "hold_by": None, "hold_reason": None}
NOT_FORCED = {"forced_until": None, "forced_by": None, "forced_reason": None}


@dataclass(frozen=True, kw_only=True)
class Cause:
    """Who made a change, by which word, and why."""

    change: Change
    actor: str
    actor_kind: ActorKind
    reason: str


@dataclass(frozen=True, kw_only=True)
class Opening:
    """What is known of an opening before it is written."""

    incident_id: str
    cause: Cause
    severity: Severity
    drift_score: float
    sample_count: int
    details: dict[str, Any]
    alert: AlertSettings

    def labels(self, joined: Joined) -> dict[str, str]:
        """Return the label set of the opening's alert."""
        return self.alert.labels_for(joined.key, self.severity)


def lock(joined: Joined) -> Row[Any] | None:
    """Lock the breaker's row; None when there is none."""
    return joined.run(transitions.lock(joined.sql)).one_or_none()


def lock_or_create(joined: Joined) -> Row[Any]:
    """Lock the breaker's row, made first where it is missing."""
    for _ in range(2):
        row = lock(joined)
        if row is not None:
            return row
        create(joined)
    raise contended(joined)


def create(joined: Joined) -> None:
    """Make an empty closed row, unless somebody was first."""
    mine = joined.owns_settings
    settings = {
        "settings": joined.settings.as_json if mine else None,
        "settings_hash": joined.settings.hash if mine else None,
    }
    joined.run(reports.create(joined.sql), **settings)


def contended(joined: Joined) -> ContendedError:
    """Return the error of a breaker that would not hold still."""
    return ContendedError(f"breaker {joined.key} kept changing under this call: retry the transaction")


def change(joined: Joined, **columns: Any) -> None:
    """Write columns of the locked breaker, as a new version."""
    joined.write(transitions.change_breaker(joined.sql, *columns), **columns)


def keep_counts(joined: Joined, **columns: Any) -> None:
    """Write counts of the locked breaker, which are no new version."""
    joined.write(transitions.keep_counts(joined.sql, *columns), **columns)


def keep_settings(joined: Joined, stored_hash: str | None, at: datetime) -> None:
    """Copy the code's settings into the touched row where it carries others, as one history entry.

    `at` is the operation's one instant. What the row says now is what the entry says: a recovery or a trip of the
    same operation is written before it.
    """
    if not joined.owns_settings or stored_hash == joined.settings.hash:
        return
    new = {"settings": joined.settings.as_json, "settings_hash": joined.settings.hash}
    row = joined.write(transitions.keep_settings(joined.sql), **new, at=at).one_or_none()
    if row is None or stored_hash is None:  # a row made by a door without settings gets its first: no change
        return
    cause = Cause(
        change=Change.SETTINGS,
        actor="settings",
        actor_kind=ActorKind.SYSTEM,
        reason="The code's settings changed",
    )
    record(
        joined,
        cause,
        at=at,
        old_status=row.status,
        new_status=row.status,
        generation=row.generation,
        version=row.version,
        details={"old": stored_hash, "new": joined.settings.hash},
    )


def record(
    joined: Joined,
    cause: Cause,
    *,
    at: datetime,
    old_status: str,
    new_status: str,
    generation: int,
    version: int,
    incident_id: str | None = None,
    details: dict[str, Any] | None = None,
) -> None:
    """Write one history entry, and tell the listeners of it after the commit."""
    joined.write(
        transitions.add_history(joined.sql, notify=joined.notifies),
        **_history(joined, cause, at, old_status, new_status, details or {}),
        generation=generation,
        version=version,
        incident_id=incident_id,
        message=message_of(joined.key, version),
    )
    joined.tell(cause.change, reason=cause.reason, actor=cause.actor, incident_id=incident_id, at=at)


def record_here(
    joined: Joined,
    row: Row[Any],
    cause: Cause,
    *,
    version: int,
    incident_id: str | None = None,
    details: dict[str, Any] | None = None,
) -> None:
    """Write a history entry of a change that leaves the status as it is, about the row's incident unless told which."""
    record(
        joined,
        cause,
        at=row.at,
        old_status=row.status,
        new_status=row.status,
        generation=row.generation,
        version=version,
        incident_id=incident_id or row.incident_id,
        details=details,
    )


def _history(
    joined: Joined, cause: Cause, at: datetime, old_status: str, new_status: str, details: dict[str, Any]
) -> dict[str, Any]:
    return {
        "at": at,
        "change": cause.change.value,
        "old_status": old_status,
        "new_status": new_status,
        "change_actor": cause.actor,
        "change_reason": cause.reason,
        "change_details": details,
        "actor_kind": cause.actor_kind.value,
        "door": joined.door,
        "source": CLAIMED if cause.actor_kind is ActorKind.USER else SYSTEM,
    }


def write_opening(
    joined: Joined,
    row: Row[Any],
    opening: Opening,
    *,
    until: datetime | None,
    auto_recover: bool,
    generation: int,
    change_details: dict[str, Any] | None = None,
    **columns: Any,
) -> Incident:
    """Write an opening of the locked breaker: its columns, its incident, its alert and its history entry."""
    labels = opening.labels(joined)
    identity = identity_of(labels)
    cause = opening.cause
    changed = {
        **columns,
        "changed_at": row.at,
        "until": until,
        "auto_recover": auto_recover,
        "reason": cause.reason,
        "actor": cause.actor,
        "incident_id": opening.incident_id,
        "alert_identity": identity,
        "generation": generation,
    }
    values = {
        **_history(joined, cause, row.at, row.status, Status.OPEN.value, change_details or {}),
        "version": row.version + 1,
        "message": message_of(joined.key, row.version + 1),
        "ts": row.at,
        "severity": opening.severity.value,
        "drift_score": opening.drift_score,
        "sample_count": opening.sample_count,
        "details": opening.details,
        "identity": identity,
        "labels": labels,
        "starts_at": row.at,
        "ends_at": until if auto_recover else None,
        "runbook_url": opening.alert.runbook_url,
        "generator_url": opening.alert.generator_url,
    }
    for statement in transitions.opening(joined.sql, *changed, notify=joined.notifies):
        joined.write(statement, **changed, **values)
    joined.tell(cause.change, reason=cause.reason, actor=cause.actor, incident_id=opening.incident_id, at=row.at)
    return Incident(
        id=opening.incident_id,
        name=joined.key.name,
        scope=joined.key.scope,
        timestamp=row.at,
        reason=cause.reason,
        severity=opening.severity.value,
        drift_score=opening.drift_score,
        sample_count=opening.sample_count,
        details=opening.details,
    )


def open_locked(
    joined: Joined,
    row: Row[Any],
    opening: Opening,
    *,
    until: datetime | None,
    auto_recover: bool,
    **counts: Any,
) -> Incident:
    """Open a closed breaker whose row is locked."""
    return write_opening(
        joined,
        row,
        opening,
        until=until,
        auto_recover=auto_recover,
        generation=row.generation + 1,
        status=Status.OPEN.value,
        opened_at=row.at,
        **NOT_FORCED,
        **counts,
    )


def trip_locked(joined: Joined, row: Row[Any], opening: Opening, **counts: Any) -> Incident:
    """Open a closed breaker whose row is locked, of its own accord: for the time to live of its settings."""
    settings = joined.settings
    ttl = settings.ttl_milliseconds
    until = None if ttl is None else row.at + timedelta(milliseconds=ttl)
    counted = {"trip_count": row.trip_count + 1, **counts}
    return open_locked(joined, row, opening, until=until, auto_recover=settings.auto_recover, **counted)


def close_locked(joined: Joined, row: Row[Any], cause: Cause, at: datetime, **columns: Any) -> None:
    """Close an open breaker whose row is locked: resolve its incident and its alert, clear its counts."""
    resolve_incident(joined, row, cause, at)
    joined.write(transitions.end_alert(joined.sql), identity=row.alert_identity, ends_at=at)
    change(
        joined,
        status=Status.CLOSED.value,
        failures=0,
        schema_errors=None,
        opened_at=None,
        until=None,
        reason=None,
        actor=None,
        incident_id=None,
        alert_identity=None,
        changed_at=at,
        generation=row.generation + 1,
        **NOT_HELD,
        **columns,
    )
    record(
        joined,
        cause,
        at=at,
        old_status=row.status,
        new_status=Status.CLOSED.value,
        generation=row.generation + 1,
        version=row.version + 1,
        incident_id=row.incident_id,
    )


def resolve_incident(
    joined: Joined, row: Row[Any], cause: Cause, at: datetime, *, superseded_by: str | None = None
) -> None:
    """Resolve the incident that the locked row names."""
    notes = cause.reason if superseded_by is None else f"Superseded by {superseded_by}: {cause.reason}"
    status = IncidentStatus.RESOLVED if superseded_by is None else IncidentStatus.SUPERSEDED
    joined.write(
        transitions.resolve_incident(joined.sql),
        incident_id=row.incident_id,
        status=status.value,
        resolved_at=at,
        resolved_by=cause.actor,
        resolution_notes=notes,
        superseded_by=superseded_by,
    )


def recover(joined: Joined, row: Row[Any]) -> None:
    """Write the recovery of an expired breaker whose row is locked, dated at its end, never before its last change."""
    cause = Cause(
        change=Change.RECOVER,
        actor=RECOVERED_BY,
        actor_kind=ActorKind.SYSTEM,
        reason=RECOVERY_REASON,
    )
    close_locked(joined, row, cause, max(row.until, row.changed_at))


def recover_quietly(joined: Joined) -> bool:
    """Write the recovery of an expired breaker, unless whoever holds it, or its incident, will see to it."""
    row = joined.run(transitions.lock_if_expired(joined.sql)).one_or_none()
    if row is None:
        return False
    recover(joined, row)
    return True


def lock_and_recover(joined: Joined) -> None:
    """Write the recovery of a breaker that was seen expired, unless somebody was first."""
    row = lock(joined)
    if row is not None and row.expired:
        recover(joined, row)
