"""What the service showed: the one source of the screen and of the JSON document."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import date

    from driftbreaker import BreakerSettings
    from driftbreaker.cli.demo.estimators import PriceChange
    from driftbreaker.cli.demo.request import Request
    from driftbreaker.cli.demo.service.workers import Worker


@dataclass(frozen=True, slots=True)
class ModelTraffic:
    """What was served of one model, and how its breaker stands in the end."""

    model: str
    share: float
    requests: int
    by_candidate: int
    is_open: bool

    @property
    def by_control(self) -> int:
        """How many requests the control served."""
        return self.requests - self.by_candidate


@dataclass(frozen=True, slots=True)
class Stop:
    """One worker's answers around a commit: the candidate's before it and after it, and the control's first."""

    worker: Worker
    before: int
    meanwhile: int
    after_seconds: float


@dataclass(frozen=True, slots=True)
class ServiceTrip:
    """One model's trip: the request whose transaction it was part of, and when each worker had heard."""

    number: int
    of_model: int
    request: Request
    change: PriceChange
    worker: Worker
    incident: dict[str, Any]
    stops: tuple[Stop, ...]


@dataclass(frozen=True, slots=True)
class ShadowFacts:
    """The same traffic where V2 ran in shadow: who served, and which models' breakers opened all the same."""

    breaker: str
    requests: int
    by_candidate: int
    open_models: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """Everything the screen and the document say."""

    database: str
    temporary: bool
    breaker: str
    listens: bool
    seed: int
    control_day: date
    prices_version: str
    settings: BreakerSettings
    workers: tuple[Worker, ...]
    requests: int
    asked_again: int
    seconds: float
    models: tuple[ModelTraffic, ...]
    trips: tuple[ServiceTrip, ...]
    shadow: ShadowFacts
