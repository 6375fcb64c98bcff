"""The main job: serve the candidate while its answers agree with the control's, else the control."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from driftbreaker import CircuitBreaker
from driftbreaker.cli.demo.estimators import relative_delta

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from decimal import Decimal

    from sqlalchemy.orm import Session

    from driftbreaker import BreakerSettings, Clock, Incident
    from driftbreaker.cli.demo.request import Request

    Estimate = Callable[[Request], Decimal]


@dataclass(frozen=True, slots=True)
class Step:
    """What happened to one request. `score` is None where the breaker was open: the candidate did not run."""

    number: int
    request: Request
    served_by: Literal["candidate", "control"]
    cost: Decimal
    score: float | None = None
    incident: Incident | None = None


@dataclass(frozen=True, slots=True)
class JobResult:
    """What a run served, and where it first tripped."""

    breaker: str
    steps: tuple[Step, ...]

    @property
    def by_candidate(self) -> int:
        """How many requests the candidate served."""
        return sum(step.served_by == "candidate" for step in self.steps)

    @property
    def by_control(self) -> int:
        """How many requests the control served."""
        return len(self.steps) - self.by_candidate

    @property
    def trip(self) -> Step | None:
        """The step whose report tripped the breaker first."""
        return next((step for step in self.steps if step.incident is not None), None)

    @property
    def tripped_at(self) -> int | None:
        """The observation, counted from 1, that tripped the breaker first; None when nothing did."""
        # Every step up to the first trip reports a score, so its number is the observation's.
        return None if self.trip is None else self.trip.number

    @property
    def incident(self) -> Incident | None:
        """The incident of the first trip."""
        return None if self.trip is None else self.trip.incident


def run(
    session_factory: Callable[[], Session],
    requests: Iterable[Request],
    control: Estimate,
    candidate: Estimate,
    settings: BreakerSettings,
    clock: Clock | None = None,
    on_step: Callable[[Session, Step], None] | None = None,
    *,
    name: str = "cost-estimator-v2",
) -> JobResult:
    """Serve every request in a transaction of its own, guarded by the breaker `name`.

    While the breaker is closed the candidate serves and the score of the pair is reported; while it is open
    the control serves alone. `on_step` is called inside the transaction, just before its commit: what it
    writes commits with the breaker's rows, and what it raises rolls both back.
    """
    steps = []
    for number, request in enumerate(requests, start=1):
        with session_factory() as session, session.begin():
            breaker = CircuitBreaker(session, name, settings=settings, clock=clock)
            step = _serve(breaker, number, request, control, candidate)
            if on_step is not None:
                on_step(session, step)
        steps.append(step)
    return JobResult(name, tuple(steps))


def _serve(breaker: CircuitBreaker, number: int, request: Request, control: Estimate, candidate: Estimate) -> Step:
    cost = control(request)
    if breaker.is_open():
        return Step(number, request, "control", cost)
    answer = candidate(request)
    score = relative_delta(cost, answer)
    incident = breaker.report_drift(score, details={"model": request.model})
    return Step(number, request, "candidate", answer, score, incident)
