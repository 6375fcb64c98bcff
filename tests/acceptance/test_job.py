"""What the demo's job promises to the application around it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy.orm import Session, sessionmaker

from driftbreaker import BreakerSettings, CircuitBreaker
from driftbreaker.cli.demo.job import Step, run
from driftbreaker.cli.demo.request import Request

SETTINGS = BreakerSettings(failure_threshold=3, drift_threshold=0.2, ttl=timedelta(hours=24))
NAME = "job"
START = datetime(2026, 1, 1, tzinfo=UTC)


def requests(count: int) -> list[Request]:
    return [Request(START + timedelta(minutes=n), "openai", "any", n + 1, 0) for n in range(count)]


def drifting_after(tokens: int) -> Callable[[Request], Decimal]:
    return lambda request: Decimal(1 if request.input_tokens <= tokens else 2)


def steady(request: Request) -> Decimal:
    return Decimal(1)


def test_candidate_serves_until_the_trip_and_control_from_the_next_request_on(
    sessions: sessionmaker[Session],
) -> None:
    result = run(sessions, requests(10), steady, drifting_after(4), SETTINGS, name=NAME)

    assert [step.served_by for step in result.steps] == ["candidate"] * 7 + ["control"] * 3
    assert [step.cost for step in result.steps] == [1, 1, 1, 1, 2, 2, 2, 1, 1, 1]
    assert (result.tripped_at, result.by_candidate, result.by_control) == (7, 7, 3)
    assert result.incident is not None
    assert result.incident.drift_score == 1.0


def test_candidate_does_not_run_while_the_breaker_is_open(sessions: sessionmaker[Session]) -> None:
    asked: list[int] = []

    def candidate(request: Request) -> Decimal:
        asked.append(request.input_tokens)
        return Decimal(2)

    run(sessions, requests(10), steady, candidate, SETTINGS, name=NAME)

    assert asked == [1, 2, 3]


def test_without_drift_nothing_trips(sessions: sessionmaker[Session]) -> None:
    result = run(sessions, requests(10), steady, steady, SETTINGS, name=NAME)

    assert (result.tripped_at, result.incident, result.by_control) == (None, None, 0)


def test_what_on_step_raises_rolls_its_request_back_and_none_before_it(
    sessions: sessionmaker[Session],
) -> None:
    def refuse_third(session: Session, step: Step) -> None:
        if step.number == 3:
            raise RuntimeError("the application failed")

    with pytest.raises(RuntimeError, match="the application failed"):
        run(sessions, requests(5), steady, drifting_after(0), SETTINGS, on_step=refuse_third, name=NAME)

    with sessions() as session:
        state = CircuitBreaker(session, NAME, settings=SETTINGS).get_state()
    assert (state.is_open, state.consecutive_failures) == (False, 2)
