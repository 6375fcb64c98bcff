"""Rows into records."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from ..model import (
    RECOVERED_BY,
    ActorKind,
    BreakerState,
    Change,
    HistoryEntry,
    Incident,
    IncidentStatus,
    Key,
    Note,
    Status,
)
from ..policy import count_errors

RECOVERY_REASON = "Recovered by itself: the end of the opening has passed"


def state_of(key: Key, own: Row[Any] | None, whole: Row[Any] | None) -> BreakerState:
    """Build a state from the breaker's row and, for a scope, the row of its whole."""
    counts = {} if own is None else _counts(own)
    opening = next((row for row in (own, whole) if row is not None and _is_open(row)), None)
    return BreakerState(name=key.name, scope=key.scope, **counts, **({} if opening is None else _opening(opening)))


def _is_open(row: Row[Any]) -> bool:
    return row.status != Status.CLOSED and not row.expired


def _counts(row: Row[Any]) -> dict[str, Any]:
    kept = {
        "last_failure_at": row.last_failure_at,
        "trip_count": row.trip_count,
        # As its recovery will leave them: what is admitted now belongs to the generation that the recovery begins.
        "generation": row.generation + bool(row.expired),
        "version": row.version + bool(row.expired),
    }
    if row.expired:
        return kept
    forced = row.forced_until is not None and row.forced_until > row.now
    return {
        **kept,
        "consecutive_failures": row.failures,
        "schema_errors": count_errors(row.schema_errors, row.now),
        "forced_until": row.forced_until if forced else None,
        "forced_by": row.forced_by if forced else None,
        "forced_reason": row.forced_reason if forced else None,
    }


def _opening(row: Row[Any]) -> dict[str, Any]:
    return {
        "status": Status(row.status),
        "is_open": True,
        "open_scope": row.scope,
        "opened_at": row.opened_at,
        "reason": row.reason,
        "incident_id": row.incident_id,
        "disabled_until": row.until,
        "disabled_by": row.actor,
        "recovers_at": row.until if row.auto_recover else None,
        "held_until": row.hold_until,
        "held_by": row.hold_by,
        "held_reason": row.hold_reason,
    }


def incident_of(row: Any, lapsed_at: datetime | None = None) -> Incident:
    """Build an incident; one whose breaker has expired reads as resolved, though nobody wrote that yet."""
    resolution: dict[str, Any] = {
        "status": IncidentStatus(row.status),
        "resolved_at": row.resolved_at,
        "resolved_by": row.resolved_by,
        "resolution_notes": row.resolution_notes,
    }
    if lapsed_at is not None:
        resolution = {
            "status": IncidentStatus.RESOLVED,
            "resolved_at": lapsed_at,
            "resolved_by": RECOVERED_BY,
            "resolution_notes": RECOVERY_REASON,
        }
    return Incident(
        id=row.id,
        name=row.name,
        scope=row.scope,
        timestamp=row.ts,
        reason=row.reason,
        severity=row.severity,
        drift_score=row.drift_score,
        sample_count=row.sample_count,
        details=row.details,
        resolved=resolution["resolved_at"] is not None,
        superseded_by=row.superseded_by,
        acknowledged_at=row.acknowledged_at,
        acknowledged_by=row.acknowledged_by,
        assigned_to=row.assigned_to,
        alert_sent=row.alert_sent_at is not None,
        alert_sent_at=row.alert_sent_at,
        **resolution,
    )


def note_of(row: Row[Any]) -> Note:
    """Build a note."""
    return Note(**{each.name: getattr(row, each.name) for each in fields(Note)})


def history_entry_of(row: Row[Any]) -> HistoryEntry:
    """Build a history entry."""
    return HistoryEntry(
        seq=row.seq,
        name=row.name,
        scope=row.scope,
        at=row.at,
        change=Change(row.change),
        old_status=Status(row.old_status),
        new_status=Status(row.new_status),
        actor=row.actor,
        actor_kind=ActorKind(row.actor_kind),
        reason=row.reason,
        incident_id=row.incident_id,
        details=row.details,
        door=row.door,
        source=row.source,
        generation=row.generation,
        version=row.version,
    )
