"""The nouns: what a breaker, an incident and a history entry are, without any database."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

TRIPPED_BY = "circuit_breaker"
RECOVERED_BY = "system-auto-recover"


class Key(NamedTuple):
    """What a breaker is known by. The scope ``''`` is the whole."""

    name: str
    scope: str

    def __str__(self) -> str:
        return f"{self.name!r} scope {self.scope!r}" if self.scope else repr(self.name)


class Status(StrEnum):
    """Closed: the candidate serves. Open, and half open for every reader: the control serves."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Severity(StrEnum):
    """How loudly an incident pages: P1 a trip on drift, P2 a disable by hand, P3 schema errors."""

    P1 = "P1"
    P2 = "P2"
    P3 = "P3"


class Verdict(StrEnum):
    """What a policy makes of one score. Inconclusive neither extends nor breaks a streak."""

    GOOD = "good"
    BAD = "bad"
    INCONCLUSIVE = "inconclusive"


class IncidentStatus(StrEnum):
    """The life of an incident; superseded is a resolution by the incident that took its place."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    SUPERSEDED = "superseded"


class AlertState(StrEnum):
    """What a receiver should believe about an alert."""

    FIRING = "firing"
    RESOLVED = "resolved"


class Change(StrEnum):
    """What a history entry records."""

    TRIP = "trip"
    DISABLE = "disable"
    SUPERSEDE = "supersede"
    EXTEND = "extend"
    HOLD = "hold"
    ENABLE = "enable"
    RESET = "reset"
    RECOVER = "recover"
    FORCE_ON = "force_on"
    ACKNOWLEDGE = "acknowledge"
    ASSIGN = "assign"
    NOTE = "note"
    SETTINGS = "settings"


class ActorKind(StrEnum):
    """Who made a change: a person (or what acts for one), or the system by itself."""

    USER = "user"
    SYSTEM = "system"


def as_dict(record: Any) -> dict[str, Any]:
    """Render a record's fields as a dictionary: times as ISO 8601, the rest as it is."""
    values = {each.name: getattr(record, each.name) for each in fields(record)}
    return {name: each.isoformat() if isinstance(each, datetime) else each for name, each in values.items()}


class Basis(StrEnum):
    """What a handle's answer rests on."""

    DATABASE = "database"
    OUTAGE = "outage policy"
    FORCED = "forced off"
    OVERRIDE = "override"


class Observation(NamedTuple):
    """One comparison of candidate and control, or a sum of some: its score, the verdict on it, the evidence.

    `why` is what an incident says of it, where that is not the score. A tuple: one is made on each sampled request.
    """

    score: float
    verdict: Verdict
    details: dict[str, Any]
    samples: int = 1
    why: str | None = None


@dataclass(frozen=True, kw_only=True)
class BreakerState:
    """What a breaker says at one moment. An expired breaker reads as closed.

    For a scoped breaker that is closed while its whole (scope ``''``) is open, the opening's fields are those of
    the whole and `open_scope` is ``''``; the counts are always its own.

    `recovers_at` is when it closes by itself. None while it is open: a person must enable it, also where an end was
    given (`disabled_until`) and its settings say that no end closes it.
    """

    name: str
    scope: str
    status: Status = Status.CLOSED
    is_open: bool = False
    open_scope: str | None = None
    opened_at: datetime | None = None
    reason: str | None = None
    incident_id: str | None = None
    consecutive_failures: int = 0
    schema_errors: int = 0
    last_failure_at: datetime | None = None
    disabled_until: datetime | None = None
    disabled_by: str | None = None
    recovers_at: datetime | None = None
    held_until: datetime | None = None
    held_by: str | None = None
    held_reason: str | None = None
    forced_until: datetime | None = None
    forced_by: str | None = None
    forced_reason: str | None = None
    trip_count: int = 0
    generation: int = 0
    version: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Render as a dictionary: times as ISO 8601, the rest as it is."""
        return as_dict(self)


@dataclass(frozen=True, kw_only=True)
class Incident:
    """The record of one opening: open, perhaps acknowledged, then resolved or superseded."""

    id: str
    name: str
    scope: str
    timestamp: datetime
    reason: str
    severity: str
    drift_score: float
    sample_count: int
    details: dict[str, Any] = field(default_factory=dict)
    status: IncidentStatus = IncidentStatus.OPEN
    resolved: bool = False
    resolved_at: datetime | None = None
    resolved_by: str | None = None
    resolution_notes: str | None = None
    superseded_by: str | None = None
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    assigned_to: str | None = None
    alert_sent: bool = False
    alert_sent_at: datetime | None = None

    def to_dict(self) -> dict[str, Any]:
        """Render as a dictionary: times as ISO 8601, the rest as it is."""
        return as_dict(self)


@dataclass(frozen=True, kw_only=True)
class Note:
    """What somebody wrote to an incident."""

    seq: int
    incident_id: str
    name: str
    scope: str
    at: datetime
    actor: str
    source: str
    door: str
    body: str

    def to_dict(self) -> dict[str, Any]:
        """Render as a dictionary: times as ISO 8601, the rest as it is."""
        return as_dict(self)


@dataclass(frozen=True, kw_only=True)
class HistoryEntry:
    """One change of a breaker: who, what, why, when, and by which door."""

    seq: int
    name: str
    scope: str
    at: datetime
    change: Change
    old_status: Status
    new_status: Status
    actor: str
    actor_kind: ActorKind
    reason: str
    incident_id: str | None
    details: dict[str, Any]
    door: str
    source: str
    generation: int
    version: int

    def to_dict(self) -> dict[str, Any]:
        """Render as a dictionary: times as ISO 8601, the rest as it is."""
        return as_dict(self)
