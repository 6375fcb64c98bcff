"""Whatever ails the database: whoever calls the pair gets the control's answer, and soon."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from driftbreaker import AsyncReporter, AsyncSwitchboard, BreakerSettings, Outage, Reporter, Shadow, Switchboard
from driftbreaker.scores import relative_delta
from tests.shadow.conftest import House, own_threads, until
from tests.support.faults import FAULTS, Fault, fault_of

NEVER = BreakerSettings(failure_threshold=2**40)
CALLS = 60


@pytest.fixture(params=FAULTS, ids=" ".join)
def fault(request: pytest.FixtureRequest) -> Iterator[Fault]:
    with fault_of(*request.param, request) as (found, _):
        yield found


class Calls:
    """What calls got, and how long the caller waited."""

    def __init__(self) -> None:
        self.answers: set[int] = set()
        self._seconds: list[float] = []

    def add(self, answer: int, began: float) -> None:
        self.answers.add(answer)
        self._seconds.append(time.perf_counter() - began)

    def assert_soon(self) -> None:
        """Far below what any of these faults takes: 20 times what a thread may have to wait for a busy processor.

        Whoever waited for the database would do so with every call; a busy machine holds up one or two.
        """
        assert sorted(self._seconds)[-3] < 0.4


def candidate_of(number: int) -> Any:
    return (lambda: 150) if number % 3 else (lambda: 1 // 0)


def assert_all_is_counted(pairs: list[Shadow], reporter: Reporter | AsyncReporter, calls: int) -> None:
    kinds = {kind: sum(pair.counts[kind] for pair in pairs) for kind in ("compared", "failed", "skipped")}
    assert sum(kinds.values()) == calls
    counts = reporter.counts
    assert counts.reported == calls - kinds["skipped"]
    assert counts.reported == counts.flushed + counts.dropped + counts.in_doubt


@pytest.mark.parametrize("beside", ["inline", "background"])
@pytest.mark.parametrize("serve", ["control", "candidate"])
def test_the_caller_gets_its_answer_and_soon(fault: Fault, serve: str, beside: str) -> None:
    board = Switchboard(fault.engine, outage=Outage.CLOSED, poll=0.05, stale_after=0.5)
    reporter = Reporter(fault.engine, settings={"pricing": NEVER}, interval=0.02, patience=1.0)
    calls = Calls()
    shadow = Shadow(board, reporter, "pricing", score=relative_delta(), serve=serve, beside=beside)
    with board, reporter, shadow as pair:
        pair(lambda: 100, lambda: 150)
        assert pair.drain()
        assert reporter.flush(), "there is a row to hold"
        fault.begin()
        for number in range(CALLS):
            began = time.perf_counter()
            calls.add(pair(lambda: 100, candidate_of(number)), began)
            time.sleep(0.01)
        fault.end()
    assert calls.answers == ({100} if serve == "control" else {100, 150}), "what fails falls back on the control"
    calls.assert_soon()
    assert_all_is_counted([pair], reporter, CALLS + 1)
    fault.engine.dispose()
    until(lambda: own_threads() == [])


#: Those that ail the server or the file, and not one engine's connections.
FOR_EVERYBODY = [each for each in FAULTS if each[1] not in ("without grants", "query only", "full")]


def asynchronous(fault: Fault) -> AsyncEngine:
    """Make an engine of the same way in, that gives up as soon."""
    url = fault.engine.url
    if url.drivername == "sqlite":
        return create_async_engine(url.set(drivername="sqlite+aiosqlite"), connect_args={"timeout": 0.05})
    return create_async_engine(url, connect_args={"connect_timeout": 2})


@pytest.mark.parametrize("fault", FOR_EVERYBODY, ids=" ".join, indirect=True)
def test_a_caller_on_an_event_loop_gets_its_answer_and_soon(fault: Fault) -> None:
    calls = {"control": Calls(), "candidate": Calls()}

    async def one(_: int) -> int:
        return 100

    async def other(number: int) -> int:
        return 150 if number % 3 else 1 // 0

    async def main() -> None:
        engine = asynchronous(fault)
        board = AsyncSwitchboard(engine, outage=Outage.CLOSED, poll=0.05, stale_after=0.5)
        reporter = AsyncReporter(engine, settings={"pricing": NEVER}, interval=0.02, patience=1.0)
        pairs = {serve: Shadow(board, reporter, "pricing", score=relative_delta(), serve=serve) for serve in calls}
        await board.start()
        reporter.start()
        assert await pairs["control"](one, other, 1) == 100
        assert await pairs["control"].adrain()
        assert await reporter.flush(), "there is a row to hold"
        await asyncio.to_thread(fault.begin)  # it may wait for what this loop has to finish
        for number in range(CALLS // 2):
            for serve, pair in pairs.items():
                began = time.perf_counter()
                calls[serve].add(await pair(one, other, number), began)
            await asyncio.sleep(0.01)
        await asyncio.to_thread(fault.end)
        for pair in pairs.values():
            await pair.aclose()
        await reporter.close()
        await board.close()
        await engine.dispose()
        assert_all_is_counted([*pairs.values()], reporter, CALLS + 1)

    asyncio.run(main())
    assert (calls["control"].answers, calls["candidate"].answers) == ({100}, {100, 150})
    for each in calls.values():
        each.assert_soon()
    fault.engine.dispose()
    until(lambda: own_threads() == [])


def test_a_reporter_that_has_no_more_room_costs_reports_and_no_answer(
    house: House, way: Any, beside: str, sqlite_url: str
) -> None:
    engine = create_engine(sqlite_url)
    reporter = Reporter(engine, capacity=3, batch=5)
    shadow = house.shadow(reporter=reporter, score=relative_delta(), beside=beside, scope=str)
    assert [way.call(shadow, lambda _: 100, lambda _: 150, number) for number in range(20)] == [100] * 20
    assert (shadow.counts["compared"], shadow.counts.report_failures) == (20, 0)
    assert reporter.flush()
    counts = reporter.counts
    assert (counts.reported, counts.dropped + counts.flushed) == (20, 20)
    assert counts.flushed == 3
    reporter.close()
    engine.dispose()
