"""What the demo found out: the one source of the screen and of the JSON document."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date

    from driftbreaker import BreakerSettings, Incident
    from driftbreaker.cli.demo.estimators import PriceChange
    from driftbreaker.cli.demo.job import JobResult
    from driftbreaker.cli.demo.request import Request
    from driftbreaker.cli.demo.tape import Fortnight


@dataclass(frozen=True, slots=True)
class Look:
    """What a connection of its own sees of one breaker: rows per table, and the state that readers get."""

    rows: dict[str, int]
    status: str
    streak: int


@dataclass(frozen=True, slots=True)
class Trip:
    """The trip, seen from a second connection just before its commit and after it."""

    observation: int
    request: Request
    scores: tuple[float, ...]
    incident: Incident
    before_commit: Look
    after_commit: Look


@dataclass(frozen=True, slots=True)
class Rollback:
    """A trip inside a transaction that was rolled back."""

    breaker: str
    incident: Incident
    after: Look


@dataclass(frozen=True, slots=True)
class Manual:
    """A disable by hand, and the enable that ended it."""

    breaker: str
    incident: Incident
    actor: str
    enable_reason: str
    open_between: bool
    open_afterwards: bool


@dataclass(frozen=True, slots=True)
class Recovery:
    """A trip whose time to live ran out on the database's clock."""

    breaker: str
    ttl_seconds: float
    seen_open: bool
    waited_seconds: float
    incident: Incident


@dataclass(frozen=True, slots=True)
class Page:
    """A page as the Alertmanager showed it: since when it fires, and how soon after its end it was gone."""

    breaker: str
    firing_at: str
    resolved_after_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Paging:
    """The pages of the demo, and of which Alertmanager."""

    url: str
    pages: dict[str, Page]


@dataclass(frozen=True, slots=True)
class Facts:
    """The whole demo."""

    database: str
    temporary: bool
    seed: int
    control_day: date
    prices_version: str
    settings: BreakerSettings
    changes: list[PriceChange]
    result: JobResult
    fortnights: tuple[Fortnight, ...]
    trip: Trip | None
    rollback: Rollback
    manual: Manual
    recovery: Recovery
    paging: Paging | None = None

    @property
    def breakers(self) -> tuple[str, ...]:
        """The names of every breaker the demo touched."""
        return (self.result.breaker, self.rollback.breaker, self.manual.breaker, self.recovery.breaker)
