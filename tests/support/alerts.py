"""Alerts to send, as a relay would read them from its rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from driftbreaker.alerts import Alert
from driftbreaker.model import AlertState, Incident
from driftbreaker.settings import identity_of

START = datetime(2026, 11, 23, 15, 0, 0, 123_987, tzinfo=UTC)
NOW = START + timedelta(minutes=5)


def an_incident(number: int = 1, **changes: Any) -> Incident:
    given: dict[str, Any] = {
        "id": str(UUID(int=number)),
        "name": "pricing",
        "scope": "",
        "timestamp": START,
        "reason": "drift above 0.2 thrice",
        "severity": "P1",
        "drift_score": 0.35,
        "sample_count": 120,
        "details": {"metric": "cost", "kl": 0.35},
    }
    return Incident(**{**given, **changes})


def an_alert(breaker: str = "pricing", *, resolved: bool = False, **changes: Any) -> Alert:
    labels = changes.pop(
        "labels", {"alertname": "CandidateDisabled", "severity": "critical", "circuit_breaker": breaker}
    )
    given: dict[str, Any] = {
        "identity": identity_of(labels),
        "version": 2 if resolved else 1,
        "name": breaker,
        "scope": "",
        "state": AlertState.RESOLVED if resolved else AlertState.FIRING,
        "labels": labels,
        "starts_at": START,
        "ends_at": NOW if resolved else None,
        "now": NOW,
        "incident": an_incident(name=breaker),
    }
    return Alert(**{**given, **changes})
