"""What a breaker should do, in plain Python: written from the contract, with no database and no locks in it.

A `Breaker` is copied in one call, so that transactions and savepoints are copies (see `ledger`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from driftbreaker import BreakerSettings

DEFAULTS = BreakerSettings()
RECOVERY = "system-auto-recover"
SEVERITY_LABELS = {"P1": "critical", "P2": "warning", "P3": "info"}
NO_OPENING = {
    "opened_at": None,
    "reason": None,
    "actor": None,
    "until": None,
    "incident": None,
    "labels": None,
    "hold": None,
}

Labels = frozenset[tuple[str, str]]
Scores = Sequence[tuple[float, int]]


class Hold(NamedTuple):
    until: datetime | None
    by: str
    reason: str


@dataclass(frozen=True)
class Incident:
    at: datetime
    reason: str
    severity: str
    score: float
    samples: int
    actor: str
    until: datetime | None
    generation: int
    status: str = "open"
    resolved_at: datetime | None = None
    resolved_by: str | None = None
    notes: str | None = None
    superseded_by: int | None = None


@dataclass(frozen=True)
class Entry:
    change: str
    old: str
    new: str
    actor: str
    reason: str
    at: datetime
    incident: int | None
    generation: int
    version: int


@dataclass(frozen=True)
class Alert:
    firing: bool
    starts_at: datetime
    ends_at: datetime | None
    incident: int
    version: int


@dataclass
class Breaker:
    """One breaker: its row, and everything that was ever recorded of it. Incidents are known by their position."""

    name: str
    scope: str
    exists: bool = False
    open: bool = False
    streak: int = 0
    errors: dict[int, int] = field(default_factory=dict)
    last_failure_at: datetime | None = None
    opened_at: datetime | None = None
    until: datetime | None = None
    recovers: bool = True
    reason: str | None = None
    actor: str | None = None
    incident: int | None = None
    labels: Labels | None = None
    hold: Hold | None = None
    forced_until: datetime | None = None
    changed_at: datetime | None = None
    trips: int = 0
    generation: int = 0
    version: int = 0
    settings: BreakerSettings | None = None
    settings_changes: int = 0
    incidents: list[Incident] = field(default_factory=list)
    history: list[Entry] = field(default_factory=list)
    alerts: dict[Labels, Alert] = field(default_factory=dict)

    def copy(self) -> Breaker:
        return replace(
            self,
            errors=dict(self.errors),
            incidents=list(self.incidents),
            history=list(self.history),
            alerts=dict(self.alerts),
        )

    # What it says.

    @property
    def status(self) -> str:
        return "open" if self.open else "closed"

    def expired(self, now: datetime) -> bool:
        return self.open and self.recovers and self.until is not None and self.until <= now

    def is_open(self, now: datetime) -> bool:
        return self.open and not self.expired(now)

    def forced(self, now: datetime) -> bool:
        return self.forced_until is not None and self.forced_until > now

    def errors_of_the_hour(self, now: datetime) -> int:
        return sum(count for minute, count in self.errors.items() if minute > _minute(now) - 60)

    def recovered(self, now: datetime) -> Breaker:
        """What every reader sees: an expired breaker looks recovered, whether or not that is on record."""
        if not self.expired(now):
            return self
        seen = self.copy()
        seen.recover()
        return seen

    # What happens to it.

    def report_drift(
        self, scores: Scores, generation: int | None, settings: BreakerSettings, now: datetime
    ) -> int | None:
        """Scores with their samples, in the order of the calls; the position of the incident if they tripped it."""
        if not self._admits(generation, now):
            return None
        for score, _ in scores:
            if not is_bad(score, settings.drift_threshold):
                if self.streak:
                    self.streak = 0
                    self._touch(settings, self._instant(now))
                continue
            at = self._fail(settings, now)
            self.streak += 1
            if settings.auto_disable and self.streak >= settings.failure_threshold and not self.forced(now):
                worst = max(score for score, _ in scores)
                reason = (
                    f"Drift score {worst:g} above {settings.drift_threshold:g}; "
                    f"failure threshold {settings.failure_threshold} reached"
                )
                return self._trip(at, settings, reason, "P1", worst, sum(samples for _, samples in scores))
        return None

    def report_schema_errors(
        self, count: int, generation: int | None, settings: BreakerSettings, now: datetime
    ) -> int | None:
        if count == 0 or not self._admits(generation, now):
            return None
        at = self._fail(settings, now)
        this_hour = {minute: n for minute, n in self.errors.items() if minute > _minute(at) - 60}
        self.errors = {**this_hour, _minute(at): this_hour.get(_minute(at), 0) + count}
        total = self.errors_of_the_hour(at)
        if not settings.auto_disable or total < settings.schema_error_threshold or self.forced(at):
            return None
        reason = f"Schema errors within an hour; schema error threshold {settings.schema_error_threshold} reached"
        return self._trip(at, settings, reason, "P3", 1.0, total)

    def disable(
        self, reason: str, actor: str, until: datetime | None, settings: BreakerSettings | None, now: datetime
    ) -> tuple[bool, int | None]:
        at = self._settle(settings, now)
        if self.open and self.reason == reason:
            if self.until is None or (until is not None and until <= self.until):
                return False, None
            self._prolong("extend", actor, reason, until, None, at)
            return True, self.incident
        owner = settings or self.settings or DEFAULTS
        if self.open:
            self._resolve(at, actor, reason, superseded_by=len(self.incidents))
            labels = _labels(self.name, self.scope, "P2", owner)
            if labels != self.labels:
                self._end_alert(at)
            self.version += 1
            change, old, opened_at = "supersede", "open", self.opened_at
        else:
            self.generation += 1
            self.version += 1
            change, old, opened_at = "disable", "closed", at
        incident = Incident(at, reason, "P2", 0.0, 0, actor, until, self.generation)
        return True, self._open(change, old, incident, owner, owner.auto_recover, opened_at)

    def hold_until(
        self, reason: str, actor: str, until: datetime | None, settings: BreakerSettings | None, now: datetime
    ) -> bool:
        if not self.exists:
            return False
        at = self._settle(settings, now)
        if not self.open:
            return False
        self._prolong("hold", actor, reason, until, Hold(until, actor, reason), at)
        return True

    def enable(self, reason: str, actor: str, settings: BreakerSettings | None, now: datetime) -> bool:
        return self._close_by_hand("enable", reason, actor, settings, now)

    def reset(self, reason: str, actor: str, settings: BreakerSettings | None, now: datetime) -> bool:
        was_closed = not self.open
        if self._close_by_hand("reset", reason, actor, settings, now):
            return True
        if was_closed and (self.forced_until or self.streak or self.errors):
            self.version += self.forced_until is not None
            self.streak, self.errors, self.forced_until = 0, {}, None
            self.changed_at = self._instant(now)
            self._record("reset", "closed", actor, reason, self.changed_at, None)
        return False

    def force_on(
        self, reason: str, actor: str, until: datetime, settings: BreakerSettings | None, now: datetime
    ) -> bool:
        at = self._settle(settings, now)
        closed = self.open
        if closed:
            self._close("force_on", actor, reason, at)
        else:
            self.version += 1
            self._record("force_on", "closed", actor, reason, at, None)
        self.changed_at, self.forced_until = at, until
        return closed

    def recover(self) -> None:
        """Put the recovery on record, dated at the end, and never before the opening it ends."""
        self._close("recover", RECOVERY, None, max(self.until, self.changed_at))

    # The steps.

    def _admits(self, generation: int | None, now: datetime) -> bool:
        """A report of another generation changes nothing, and an open breaker ignores all."""
        if self.is_open(now) or generation not in (None, self.recovered(now).generation):
            return False
        if self.open:
            self.recover()
        return True

    def _instant(self, now: datetime) -> datetime:
        return max(now, self.changed_at or now, self.last_failure_at or now)

    def _create(self, settings: BreakerSettings | None, now: datetime) -> None:
        if not self.exists:
            self.exists, self.settings, self.changed_at = True, settings, now

    def _touch(self, settings: BreakerSettings | None, at: datetime) -> datetime:
        """The row carries the settings of whoever touched it last."""
        if settings is not None and settings != self.settings:
            self.settings_changes += self.settings is not None
            self.settings, self.changed_at = settings, at
        return at

    def _settle(self, settings: BreakerSettings | None, now: datetime) -> datetime:
        self._create(settings, now)
        if self.expired(now):
            self.recover()
        return self._touch(settings, self._instant(now))

    def _fail(self, settings: BreakerSettings, now: datetime) -> datetime:
        self._create(settings, now)
        self.last_failure_at = self._touch(settings, self._instant(now))
        return self.last_failure_at

    def _trip(
        self, at: datetime, settings: BreakerSettings, reason: str, severity: str, score: float, samples: int
    ) -> int:
        self.trips += 1
        self.generation += 1
        self.version += 1
        until = None if settings.ttl is None else at + settings.ttl
        incident = Incident(at, reason, severity, score, samples, "circuit_breaker", until, self.generation)
        return self._open("trip", "closed", incident, settings, settings.auto_recover, at)

    def _open(
        self,
        change: str,
        old: str,
        incident: Incident,
        settings: BreakerSettings,
        recovers: bool,
        opened_at: datetime | None,
    ) -> int:
        at, position = incident.at, len(self.incidents)
        self.incidents.append(incident)
        self.labels = _labels(self.name, self.scope, incident.severity, settings)
        before = self.alerts.get(self.labels)
        self.alerts[self.labels] = Alert(
            firing=True,
            starts_at=before.starts_at if before and before.firing else at,
            ends_at=incident.until if recovers else None,
            incident=position,
            version=before.version + 1 if before else 1,
        )
        self.open, self.opened_at, self.changed_at = True, opened_at, at
        self.until, self.recovers = incident.until, recovers
        self.reason, self.actor, self.incident = incident.reason, incident.actor, position
        self.forced_until = self.hold = None
        self._record(change, old, incident.actor, incident.reason, at, position)
        return position

    def _prolong(
        self, change: str, actor: str, reason: str, until: datetime | None, hold: Hold | None, at: datetime
    ) -> None:
        assert self.incident is not None
        assert self.labels is not None
        self.until, self.hold, self.changed_at = until, hold, at
        self.version += 1
        self.incidents[self.incident] = replace(self.incidents[self.incident], until=until)
        alert = self.alerts[self.labels]
        ends_at = until if self.recovers else None
        self.alerts[self.labels] = replace(alert, ends_at=ends_at, version=alert.version + 1)
        self._record(change, "open", actor, reason, at, self.incident)

    def _close_by_hand(
        self, change: str, reason: str, actor: str, settings: BreakerSettings | None, now: datetime
    ) -> bool:
        if not self.exists:
            return False
        at = self._settle(settings, now)
        if not self.open:
            return False
        self._close(change, actor, reason, at)
        return True

    def _close(self, change: str, actor: str, reason: str | None, at: datetime) -> None:
        position = self.incident
        self._resolve(at, actor, reason)
        self._end_alert(at)
        self.open, self.streak, self.errors, self.changed_at = False, 0, {}, at
        self.generation += 1
        self.version += 1
        for name, nothing in NO_OPENING.items():
            setattr(self, name, nothing)
        self._record(change, "open", actor, reason or "", at, position)

    def _resolve(self, at: datetime, actor: str, notes: str | None, superseded_by: int | None = None) -> None:
        assert self.incident is not None
        self.incidents[self.incident] = replace(
            self.incidents[self.incident],
            status="resolved" if superseded_by is None else "superseded",
            resolved_at=at,
            resolved_by=actor,
            notes=notes,
            superseded_by=superseded_by,
        )

    def _end_alert(self, at: datetime) -> None:
        assert self.labels is not None
        alert = self.alerts[self.labels]
        self.alerts[self.labels] = replace(alert, firing=False, ends_at=at, version=alert.version + 1)

    def _record(self, change: str, old: str, actor: str, reason: str, at: datetime, incident: int | None) -> None:
        entry = Entry(change, old, self.status, actor, reason, at, incident, self.generation, self.version)
        self.history.append(entry)


def is_bad(score: float, threshold: float) -> bool:
    return score > threshold and not math.isclose(score, threshold, rel_tol=1e-9, abs_tol=0.0)


def _minute(at: datetime) -> int:
    return int(at.timestamp() // timedelta(minutes=1).total_seconds())


def _labels(name: str, scope: str, severity: str, settings: BreakerSettings) -> Labels:
    labels: dict[str, Any] = {
        **settings.alert.labels,
        "alertname": settings.alert.alertname,
        "component": settings.alert.component,
        "severity": SEVERITY_LABELS[severity],
        "priority": severity,
        "circuit_breaker": name,
        **({"scope": scope} if scope else {}),
    }
    return frozenset(labels.items())
