"""State and incident as the contract has them: the core's records, without what the contract does not know."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from .. import model


@dataclass
class CircuitBreakerState:
    """What the breaker says at one moment."""

    is_open: bool
    opened_at: datetime | None = None
    reason: str | None = None
    incident_id: str | None = None
    consecutive_failures: int = 0
    last_failure_at: datetime | None = None
    disabled_until: datetime | None = None
    disabled_by: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Render as a dictionary: times as ISO 8601, the rest as it is."""
        return model.as_dict(self)

    @classmethod
    def of(cls, state: model.BreakerState) -> CircuitBreakerState:
        """Narrow the core's state."""
        return cls(**{each.name: getattr(state, each.name) for each in fields(cls)})


@dataclass
class Incident:
    """The record of one opening."""

    id: str
    timestamp: datetime
    reason: str
    severity: str
    drift_score: float
    sample_count: int
    details: dict[str, Any] = field(default_factory=dict)
    resolved: bool = False
    resolved_at: datetime | None = None
    resolved_by: str | None = None
    resolution_notes: str | None = None
    alert_sent: bool = False
    alert_sent_at: datetime | None = None

    def to_dict(self) -> dict[str, Any]:
        """Render as a dictionary: times as ISO 8601, the rest as it is."""
        return model.as_dict(self)

    @classmethod
    def of(cls, incident: model.Incident) -> Incident:
        """Narrow the core's incident."""
        return cls(**{each.name: getattr(incident, each.name) for each in fields(cls)})
