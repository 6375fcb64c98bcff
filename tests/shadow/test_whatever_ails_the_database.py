"""Whatever ails the database: whoever calls the pair gets the control's answer, and soon."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from driftbreaker import BreakerSettings, Outage, Reporter, Shadow, Switchboard
from driftbreaker.scores import relative_delta
from tests.shadow.conftest import own_threads, until
from tests.support.faults import FAULTS, Fault, fault_of

NEVER = BreakerSettings(failure_threshold=2**40)
CALLS = 60


@pytest.fixture(params=FAULTS, ids=" ".join)
def fault(request: pytest.FixtureRequest) -> Iterator[Fault]:
    with fault_of(*request.param, request) as (found, _):
        yield found


@pytest.mark.parametrize("beside", ["inline", "background"])
@pytest.mark.parametrize("serve", ["control", "candidate"])
def test_the_caller_gets_its_answer_and_soon(fault: Fault, serve: str, beside: str) -> None:
    board = Switchboard(fault.engine, outage=Outage.CLOSED, poll=0.05, stale_after=0.5)
    reporter = Reporter(fault.engine, settings={"pricing": NEVER}, interval=0.02, patience=1.0)
    slowest, answers = 0.0, set()
    shadow = Shadow(board, reporter, "pricing", score=relative_delta(), serve=serve, beside=beside)
    with board, reporter, shadow as pair:
        pair(lambda: 100, lambda: 150)
        assert pair.drain()
        assert reporter.flush(), "there is a row to hold"
        fault.begin()
        for number in range(CALLS):
            called = time.perf_counter()
            answers.add(pair(lambda: 100, (lambda: 150) if number % 3 else (lambda: 1 // 0)))
            slowest = max(slowest, time.perf_counter() - called)
            time.sleep(0.01)
        fault.end()
    assert answers == ({100} if serve == "control" else {100, 150}), "what fails falls back on the control"
    # Far below what any of these faults takes: 20 times what a thread may have to wait for a busy processor.
    assert slowest < 0.4
    assert pair.counts["compared"] + pair.counts["failed"] + pair.counts["skipped"] == CALLS + 1
    counts = reporter.counts
    assert counts.reported == CALLS + 1 - pair.counts["skipped"]
    assert counts.reported == counts.flushed + counts.dropped + counts.in_doubt
    fault.engine.dispose()
    until(lambda: own_threads() == [])
