"""However reports are batched: the breaker comes to what it would have come to, had each been reported by itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session

from driftbreaker import BreakerSettings, CircuitBreaker, Reporter, metadata
from driftbreaker.tables import default_tables
from driftbreaker.testing import ManualClock, PostgresServer

SETTINGS = BreakerSettings(failure_threshold=3, drift_threshold=0.2, schema_error_threshold=6, ttl=timedelta(hours=1))
# A batch's incident tells of its worst score, where one by one it is the one that tripped.
SAME = ("scope", "status", "failures", "trip_count", "generation", "schema_errors", "opened_at", "until")

scores = st.sampled_from([0.1, 0.2, 0.21, 0.5, 0.9])
generations = st.sampled_from([None, None, None, 0, 0, 1, 2])
scopes = st.sampled_from(["", "gpt-4"])
runs = st.tuples(st.just("run"), scopes, st.lists(st.sampled_from([0.1, 0.5, 0.5, 0.9]), max_size=8), generations)
reports = st.tuples(st.just("report"), scopes, scores, generations)
errors = st.tuples(st.just("schema"), scopes, st.integers(0, 4), generations)
by_hand = st.tuples(st.sampled_from(["enable", "disable", "reset"]), scopes)
passes = st.tuples(st.just("time"), st.sampled_from([timedelta(minutes=1), timedelta(minutes=61)]))
flushes = st.tuples(st.just("flush"))
anything = st.one_of(runs, runs, runs, reports, reports, errors, by_hand, passes, flushes, flushes)
steps = st.lists(anything, min_size=3, max_size=30)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    if request.param == "sqlite":
        engine = create_engine(f"sqlite:///{tmp_path_factory.mktemp('folding') / 'breakers.db'}")
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        engine = create_engine(server.url(server.create_database()))
    metadata.create_all(engine)
    yield engine
    engine.dispose()


class Twins:
    """One breaker that is told in batches, beside one that is told each report by itself."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.clock = ManualClock()
        settings = {"batched": SETTINGS}
        self.reporter = Reporter(engine, settings=settings, clock=self.clock, interval=3_600)
        with engine.begin() as connection:
            for table in reversed(metadata.sorted_tables):
                connection.execute(table.delete())

    def step(self, what: str, *arguments: Any) -> None:
        getattr(self, what)(*arguments)

    def report(self, scope: str, score: float, generation: int | None) -> None:
        self.reporter.report("batched", score, scope=scope, generation=generation)
        with Session(self.engine) as session, session.begin():
            self.breaker(session, "alone", scope).report_drift(score, generation=generation)

    def run(self, scope: str, run: list[float], generation: int | None) -> None:
        for score in run:
            self.report(scope, score, generation)

    def schema(self, scope: str, count: int, generation: int | None) -> None:
        # Within a batch the two kinds are two tallies: which of them trips first may differ, so each has its turn.
        self.flush()
        self.reporter.report_schema_error("batched", count, scope=scope, generation=generation)
        self.flush()
        with Session(self.engine) as session, session.begin():
            self.breaker(session, "alone", scope).report_schema_error(count, generation=generation)

    def enable(self, scope: str) -> None:
        self.by_hand("enable", scope)

    def disable(self, scope: str) -> None:
        self.by_hand("disable", scope)

    def reset(self, scope: str) -> None:
        self.by_hand("reset", scope)

    def by_hand(self, what: str, scope: str) -> None:
        self.flush()
        with Session(self.engine) as session, session.begin():
            for name in ("batched", "alone"):
                getattr(self.breaker(session, name, scope), what)("by hand", actor="alice")

    def time(self, passes: timedelta) -> None:
        self.flush()
        self.clock.advance(passes)

    def flush(self) -> None:
        assert self.reporter.flush()

    def breaker(self, session: Session, name: str, scope: str) -> CircuitBreaker:
        return CircuitBreaker(session, name, scope=scope, settings=SETTINGS, clock=self.clock)

    def rows(self, table: str, name: str, columns: tuple[str, ...]) -> list[dict[str, Any]]:
        found = getattr(default_tables(), table)
        order = (found.c.scope, found.c.seq) if "seq" in found.c else (found.c.scope,)
        with self.engine.connect() as connection:
            rows = connection.execute(found.select().where(found.c.name == name).order_by(*order)).mappings()
            return [{column: row[column] for column in columns} for row in rows]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps)
def test_batches_come_to_what_the_reports_come_to_one_by_one(engine: Engine, made: list[tuple[Any, ...]]) -> None:
    twins = Twins(engine)
    for each in made:
        twins.step(*each)
    twins.flush()
    event(f"trips: {min(twins.reporter.counts.trips, 3)}")
    written = twins.rows("breakers", "batched", SAME)
    assert written == twins.rows("breakers", "alone", SAME)
    changes = ("change", "scope", "at", "generation", "new_status")
    assert twins.rows("history", "batched", changes) == twins.rows("history", "alone", changes)


def test_a_trip_within_a_batch_is_one_and_tells_of_the_worst(engine: Engine) -> None:
    twins = Twins(engine)
    for score in (0.5, 0.1, 0.5, 0.9, 0.5, 0.1, 0.5):
        twins.report("", score, None)
    twins.flush()
    for name, told in (("batched", 0.9), ("alone", 0.5)):
        (row,) = twins.rows("breakers", name, ("status", "failures"))
        assert row == {"status": "open", "failures": 3}
        (incident,) = twins.rows("incidents", name, ("drift_score",))
        assert incident == {"drift_score": told}
