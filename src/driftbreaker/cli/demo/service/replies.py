"""What a worker answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Tripped:
    """The report of this request tripped the breaker: the incident, and when its commit was done."""

    incident: dict[str, Any]
    committed: float


@dataclass(frozen=True, slots=True)
class Reply:
    """Who served, and when that was decided, by the machine's monotonic clock."""

    served_by: Literal["control", "candidate"]
    decided: float
    score: float | None = None
    tripped: Tripped | None = None

    @classmethod
    def of(cls, data: dict[str, Any]) -> Reply:
        """Read what a worker sent."""
        tripped = data["tripped"]
        return cls(data["served_by"], data["decided"], data["score"], None if tripped is None else Tripped(**tripped))
