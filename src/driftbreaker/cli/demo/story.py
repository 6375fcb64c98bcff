"""The acts of the demo, played on a real database. Nothing here prints."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from importlib.metadata import version
from typing import TYPE_CHECKING

from sqlalchemy import event, func, select
from sqlalchemy.orm import Session

from driftbreaker import BreakerSettings, CircuitBreaker, metadata
from driftbreaker.cli.demo import application, stream
from driftbreaker.cli.demo.database import DemoError
from driftbreaker.cli.demo.estimators import Estimator, price_changes
from driftbreaker.cli.demo.facts import Facts, Look, Manual, Paging, Recovery, Rollback, Trip
from driftbreaker.cli.demo.job import JobResult, Step, run
from driftbreaker.cli.demo.tape import fortnights

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Engine

    from driftbreaker import Incident
    from driftbreaker.cli.demo.database import Database
    from driftbreaker.cli.demo.estimators import PriceChange
    from driftbreaker.cli.demo.pager import Pager

SETTINGS = BreakerSettings(failure_threshold=3, drift_threshold=0.2, warning_threshold=0.15, ttl=timedelta(hours=24))
CONTROL = Estimator(as_of=stream.FIRST_DAY)
CANDIDATE = Estimator()
BREAKER_TABLES = tuple(f"driftbreaker_{table}" for table in ("breakers", "incidents", "outbox", "history"))

_TTL = timedelta(seconds=1)
_PAGED_TTL = timedelta(seconds=6)  # time enough for the page to be seen while it fires
_PATIENCE = timedelta(seconds=15)
_POLL_SECONDS = 0.05
_TRIPPING_SCORE = 0.9


@dataclass(frozen=True, slots=True)
class Plan:
    """What to play: how much traffic, of which seed, and what to call the breakers."""

    requests: int
    seed: int
    name: str

    @property
    def breakers(self) -> tuple[str, ...]:
        """The names of every breaker that the story touches."""
        return (self.name, *(f"{self.name}-{act}" for act in ("rolled-back", "by-hand", "short-ttl")))


def play(database: Database, plan: Plan, on_request: Callable[[], None], pager: Pager | None = None) -> Facts:
    """Play every act on `database` and return what was seen. `on_request` is called after each request.

    With a pager each act waits until its page fires, and until it is resolved.
    """
    engine = database.engine
    name, rolled_back, by_hand, short_ttl = plan.breakers
    result, trip = _traffic(engine, plan, on_request, pager)
    if pager is not None and trip is not None:
        pager.wait_for_firing(name)
    facts = Facts(
        database=database.shown,
        temporary=database.temporary,
        seed=plan.seed,
        control_day=stream.FIRST_DAY,
        prices_version=version("genai-prices"),
        settings=SETTINGS,
        changes=_changes(),
        result=result,
        fortnights=fortnights(result.steps, stream.FIRST_DAY, stream.DAYS, SETTINGS.drift_threshold),
        trip=trip,
        rollback=_rollback(engine, rolled_back),
        manual=_by_hand(engine, by_hand, pager),
        recovery=_recovery(engine, short_ttl, pager),
    )
    if pager is None:
        return facts
    if trip is not None:
        _enable_at_the_end(engine, name, pager)
    return replace(facts, paging=Paging(pager.url, pager.pages))


def look(engine: Engine, name: str) -> Look:
    """Look at one breaker from a connection of its own, which sees committed rows only."""
    with Session(engine) as session:
        connection = session.connection()
        rows = {application.estimates.name: application.count_estimates(connection, name)}
        for table in BREAKER_TABLES:
            named = metadata.tables[table].c.name == name
            rows[table] = connection.scalar(select(func.count()).where(named)) or 0
        state = CircuitBreaker(session, name, settings=SETTINGS).get_state()
        return Look(rows, state.status.value, state.consecutive_failures)


def _changes() -> list[PriceChange]:
    models = [(share.provider, share.model) for share in stream.MIX]
    return price_changes(models, stream.FIRST_DAY, stream.FIRST_DAY + timedelta(days=stream.DAYS - 1))


def _traffic(
    engine: Engine, plan: Plan, on_request: Callable[[], None], pager: Pager | None
) -> tuple[JobResult, Trip | None]:
    looks: list[Look] = []

    def on_step(session: Session, step: Step) -> None:
        application.record_estimate(session, plan.name, step.number, step.request.model, step.served_by, step.cost)
        if step.incident is not None:
            # Only rows of other transactions are visible there: this one has yet to commit.
            looks.append(look(engine, plan.name))
            event.listen(session, "after_commit", lambda _: looks.append(look(engine, plan.name)), once=True)
        on_request()
        if pager is not None:
            pager.heed_interrupts()

    result = run(
        lambda: Session(engine),
        stream.requests(plan.requests, plan.seed),
        CONTROL,
        CANDIDATE,
        SETTINGS,
        on_step=on_step,
        name=plan.name,
    )
    return result, _trip_of(result, looks)


def _trip_of(result: JobResult, looks: list[Look]) -> Trip | None:
    step = result.trip
    if step is None or step.incident is None:
        return None
    streak = result.steps[step.number - SETTINGS.failure_threshold : step.number]
    scores = tuple(each.score for each in streak if each.score is not None)
    return Trip(step.number, step.request, scores, step.incident, *looks[:2])


def _rollback(engine: Engine, name: str) -> Rollback:
    with Session(engine) as session:
        incident = _trip(CircuitBreaker(session, name, settings=SETTINGS))
        application.record_estimate(session, name, 1, "any", "candidate", Decimal(0))
        session.rollback()
    return Rollback(name, incident, look(engine, name))


def _by_hand(engine: Engine, name: str, pager: Pager | None) -> Manual:
    off, on = "finance closes the month", "month closed"
    actor = "alice"
    with Session(engine) as session, session.begin():
        _, incident = CircuitBreaker(session, name, settings=SETTINGS).disable(off, actor=actor)
    if incident is None:
        raise DemoError(f"the breaker {name!r} is in use already: run the demo again")
    between = _is_open(engine, name, SETTINGS)
    if pager is not None:
        pager.wait_for_firing(name)
    with Session(engine) as session, session.begin():
        CircuitBreaker(session, name, settings=SETTINGS).enable(on, actor=actor)
    if pager is not None:
        pager.wait_for_resolved(name)
    return Manual(name, incident, actor, on, between, _is_open(engine, name, SETTINGS))


def _recovery(engine: Engine, name: str, pager: Pager | None) -> Recovery:
    ttl = _TTL if pager is None else _PAGED_TTL
    settings = replace(SETTINGS, ttl=ttl)
    with Session(engine) as session, session.begin():
        tripped = _trip(CircuitBreaker(session, name, settings=settings))
    started = time.monotonic()
    seen_open = False
    if pager is not None:
        pager.wait_for_firing(name)
    while _is_open(engine, name, settings):
        seen_open = True
        if time.monotonic() - started > _PATIENCE.total_seconds():
            raise DemoError(f"the breaker {name!r} did not recover within {_PATIENCE.seconds} s")
        if pager is not None:
            pager.heed_interrupts()
        time.sleep(_POLL_SECONDS)
    waited = time.monotonic() - started
    with Session(engine) as session, session.begin():
        breaker = CircuitBreaker(session, name, settings=settings)
        # Readers answer "closed" and write nothing; the first report writes the recovery down.
        breaker.report_drift(0.0)
        incident = next(each for each in breaker.get_incidents(include_resolved=True) if each.id == tripped.id)
    if pager is not None:
        pager.wait_for_resolved(name)
    return Recovery(name, ttl.total_seconds(), seen_open, waited, incident)


def _enable_at_the_end(engine: Engine, name: str, pager: Pager) -> None:
    with Session(engine) as session, session.begin():
        CircuitBreaker(session, name, settings=SETTINGS).enable("the demo is over", actor="driftbreaker demo")
    pager.wait_for_resolved(name)


def _trip(breaker: CircuitBreaker) -> Incident:
    incident = None
    for _ in range(SETTINGS.failure_threshold):
        incident = breaker.report_drift(_TRIPPING_SCORE)
    if incident is None:
        raise DemoError(f"the breaker {breaker.name!r} is in use already: run the demo again")
    return incident


def _is_open(engine: Engine, name: str, settings: BreakerSettings) -> bool:
    with Session(engine) as session:
        return CircuitBreaker(session, name, settings=settings).is_open()
