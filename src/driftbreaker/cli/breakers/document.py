"""Breakers for programs: JSON whose shapes stand in docs/reference/schemas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from driftbreaker.cli.incident.document import incident

if TYPE_CHECKING:
    from driftbreaker import HistoryEntry, Note
    from driftbreaker.store import Overview

BREAKER_COLUMNS = (
    "name",
    "scope",
    "serving",
    "status",
    "since",
    "reason",
    "until",
    "by",
    "held_until",
    "held_by",
    "held_reason",
    "forced_until",
    "forced_by",
    "forced_reason",
    "severity",
    "incident_id",
    "acknowledged_by",
    "assigned_to",
    "streak",
    "schema_errors",
    "last_failure_at",
    "trip_count",
    "generation",
    "version",
)
HISTORY_COLUMNS = (
    "seq",
    "at",
    "name",
    "scope",
    "change",
    "old_status",
    "new_status",
    "actor",
    "actor_kind",
    "source",
    "door",
    "reason",
    "incident_id",
    "details",
    "generation",
    "version",
)


def breaker(row: Overview) -> dict[str, Any]:
    """Return one breaker."""
    state, incident = row.state, row.incident
    return {
        "name": state.name,
        "scope": state.scope,
        "serving": "control" if state.is_open else "candidate",
        "status": state.status.value,
        "since": _iso(state.opened_at),
        "reason": state.reason,
        "until": _iso(state.recovers_at),
        "by": state.disabled_by,
        "held_until": _iso(state.held_until),
        "held_by": state.held_by,
        "held_reason": state.held_reason,
        "forced_until": _iso(state.forced_until),
        "forced_by": state.forced_by,
        "forced_reason": state.forced_reason,
        "severity": None if incident is None else incident.severity,
        "incident_id": state.incident_id,
        "acknowledged_by": None if incident is None else incident.acknowledged_by,
        "assigned_to": None if incident is None else incident.assigned_to,
        "streak": state.consecutive_failures,
        "schema_errors": state.schema_errors,
        "last_failure_at": _iso(state.last_failure_at),
        "trip_count": state.trip_count,
        "generation": state.generation,
        "version": state.version,
    }


def detailed(row: Overview, notes: list[Note]) -> dict[str, Any]:
    """Return one breaker with its incident, the notes to it, and the settings its service gave it."""
    shown = None if row.incident is None else incident(row.incident, notes)
    return {**breaker(row), "incident": shown, "settings": row.settings}


def change(entry: HistoryEntry) -> dict[str, Any]:
    """Return one entry of the history."""
    shown = entry.to_dict()
    return {name: shown[name] for name in HISTORY_COLUMNS}


def _iso(at: Any) -> str | None:
    return None if at is None else at.isoformat()
