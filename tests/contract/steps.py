"""Steps that many cases share."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from driftbreaker import BreakerSettings

BAD, GOOD = 0.5, 0.1
HOUR = timedelta(hours=1)
START = datetime(2026, 1, 1, 12, tzinfo=UTC)
NO_TTL = BreakerSettings(ttl=None)


def trip(breaker: Any) -> Any:
    """Report bad scores until the breaker opens; return the incident."""
    for _ in range(breaker.failure_threshold - 1):
        assert breaker.report_drift(BAD) is None
    incident = breaker.report_drift(BAD)
    assert incident is not None
    return incident


def changes(world: Any, name: str = "pricing") -> list[str]:
    """What history says, oldest first."""
    return [row["change"] for row in world.rows("history") if row["name"] == name]
