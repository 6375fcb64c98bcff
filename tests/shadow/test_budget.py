"""A candidate that is late, or hangs, is an observation and holds nobody up."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from driftbreaker.scores import equality
from driftbreaker.shadow import Why, pool

from .conftest import WAYS, House, awaited, own_threads, until, until_awaited

LATE = "Candidate took longer than 0.1 s"


@pytest.fixture
def gate(house: House) -> Iterator[threading.Event]:
    """Candidates that wait for it hang until the test is over, and then end before their shadow is closed."""
    gate = threading.Event()
    yield gate
    gate.set()


def test_a_hanging_candidate_is_observed_in_the_background(house: House, gate: threading.Event) -> None:
    shadow = house.shadow(score=equality(), budget=0.1, publish=house.published.append)
    assert shadow(lambda: 1, gate.wait) == 1
    until(lambda: bool(house.published))
    assert (house.report.verdict, house.report.why) == ("bad", LATE)
    assert house.published[0].kind == "timed_out"
    gate.set()
    until(lambda: not shadow._pool._running)
    assert len(house.reports) == 1, "its late answer is none any more"


@pytest.mark.parametrize("serve", ["control", "candidate"])
def test_a_caller_that_waits_waits_no_longer_than_the_budget(house: House, gate: threading.Event, serve: str) -> None:
    shadow = house.shadow(serve=serve, score=equality(), budget=0.1, beside="thread")
    began = time.monotonic()
    assert shadow(lambda: 1, gate.wait) == 1
    assert time.monotonic() - began < 2
    assert house.report.why == LATE
    assert shadow.counts["timed_out"] == 1


@pytest.mark.parametrize("beside", ["thread", "background"])
@pytest.mark.parametrize("sample", [1.0, 1e-9])
def test_a_guard_serves_the_control_when_the_candidate_hangs(
    house: House, gate: threading.Event, beside: Any, sample: float
) -> None:
    shadow = house.shadow(serve="candidate", budget=0.1, beside=beside, sample=sample)
    pair = shadow.compare(lambda: 1, gate.wait)
    assert (pair.served, pair.why, pair.answer) == ("control", Why.TIMED_OUT, 1)
    assert shadow.counts.fallbacks == 1
    assert len(house.reports) == (sample == 1.0)


@pytest.mark.parametrize("serve", ["control", "candidate"])
def test_a_hanging_coroutine_is_cancelled(house: House, beside: Any, serve: str) -> None:
    ended = []

    async def candidate() -> int:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("cancelled")
        return 2

    async def control() -> int:
        return 1

    async def main() -> None:
        shadow = house.shadow(serve=serve, score=equality(), budget=0.1, beside=beside)
        assert await shadow(control, candidate) == 1
        assert await shadow.adrain()
        assert shadow.counts["timed_out"] == 1
        assert ended == ["cancelled"]
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())
    assert house.report.why == LATE


@pytest.mark.parametrize("serve", ["control", "candidate"])
def test_a_coroutine_that_refuses_to_be_cancelled_is_left_to_itself(house: House, beside: Any, serve: str) -> None:
    async def candidate() -> int:
        for _ in range(20):
            try:
                await asyncio.sleep(0.05)
            except asyncio.CancelledError:
                continue
        return 2

    async def control() -> int:
        return 1

    async def main() -> None:
        shadow = house.shadow(serve=serve, score=equality(), budget=0.1, beside=beside)
        began = time.monotonic()
        assert await shadow(control, candidate) == 1
        await until_awaited(lambda: bool(house.reports))
        assert time.monotonic() - began < 0.8
        await shadow.adrain()

    asyncio.run(main())
    assert house.report.why == LATE


def test_a_hanging_function_beside_a_coroutine_is_observed(house: House, gate: threading.Event, beside: Any) -> None:
    async def control() -> int:
        return 1

    async def main() -> None:
        shadow = house.shadow(score=equality(), budget=0.1, beside=beside)
        assert await shadow(control, gate.wait) == 1
        assert await shadow.adrain()

    asyncio.run(main())
    assert house.report.why == LATE


@pytest.mark.parametrize("serve", ["control", "candidate", "auto"])
def test_inline_a_late_answer_is_only_measured(house: House, serve: str) -> None:
    shadow = house.shadow(serve=serve, score=equality(), budget=0.1, beside="inline")
    served = shadow(lambda: 1, lambda: time.sleep(0.15) or 2)
    assert served == (1 if serve == "control" else 2)
    assert house.report.why == LATE


def test_what_auto_serves_late_is_served_and_observed(house: House, way: Any, beside: Any) -> None:
    shadow = house.shadow(serve="auto", score=equality(), budget=0.1, beside=beside)
    assert way.call(shadow, lambda: 1, lambda: time.sleep(0.15) or 2) == 2
    assert house.report.why == LATE


def test_threads_that_hang_are_replaced_up_to_a_cap_and_then_comparisons_are_skipped(
    house: House, gate: threading.Event
) -> None:
    shadow = house.shadow(score=equality(), budget=0.1, workers=2)
    for calls in range(1, 5):
        assert shadow(lambda: 1, gate.wait) == 1
        until(lambda calls=calls: shadow.counts["timed_out"] == calls)
    assert shadow(lambda: 1, lambda: 1) == 1
    assert shadow.counts["skipped"] == 1
    assert len([name for name in own_threads() if not name.endswith("watcher")]) == 4
    gate.set()
    until(lambda: not shadow._pool._running)
    assert shadow(lambda: 1, lambda: 1) == 1
    assert shadow.drain()
    assert shadow.counts["compared"] == 1, "once they go on, there is room again"


def test_what_waited_behind_threads_that_all_hang_is_counted_as_skipped(house: House, gate: threading.Event) -> None:
    shadow = house.shadow(score=equality(), budget=0.1, workers=1)
    for _ in range(5):
        shadow(lambda: 1, gate.wait)
    until(lambda: sum(shadow.counts.kinds.values()) == 5)
    assert shadow.counts.kinds == {"timed_out": 2, "skipped": 3}


def test_more_than_can_wait_is_skipped_and_counted(
    house: House, gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "BACKLOG", 3)
    shadow = house.shadow(score=equality(), workers=1)
    began = threading.Event()
    shadow(lambda: 1, lambda: began.set() or gate.wait())
    assert began.wait(5)
    for _ in range(5):
        assert shadow(lambda: 1, lambda: 1) == 1
    assert shadow.counts["skipped"] == 2
    gate.set()
    assert shadow.drain()
    assert shadow.counts["compared"] == 4


@pytest.mark.parametrize("serve", ["control", "candidate"])
def test_who_waits_for_a_thread_that_never_comes_calls_it_no_drift(
    house: House, gate: threading.Event, serve: str
) -> None:
    shadow = house.shadow(serve=serve, score=equality(), budget=0.1, beside="thread", workers=1)
    shadow._pool._size = 0
    assert shadow(lambda: 1, lambda: 2) == 1
    assert shadow.counts["skipped"] == 1
    assert house.reports == []


@pytest.mark.parametrize("serve", ["control", "candidate"])
@pytest.mark.parametrize("is_awaited", [False, True])
def test_the_budget_begins_with_the_candidate_and_not_with_the_wait_for_it(
    house: House, gate: threading.Event, serve: str, is_awaited: bool
) -> None:
    shadow = house.shadow(serve=serve, score=equality(), budget=0.4, beside="thread")
    began = time.monotonic()
    if is_awaited:

        async def slow() -> int:
            return await asyncio.sleep(0.4, 1)

        assert asyncio.run(_awaiting(shadow, slow, gate.wait)) == 1
    else:
        assert shadow(lambda: time.sleep(0.4) or 1, gate.wait) == 1
    assert time.monotonic() - began < 0.75
    assert house.report.why == "Candidate took longer than 0.4 s"


@pytest.mark.parametrize("is_awaited", [False, True])
def test_a_control_that_raises_leaves_the_thread_of_its_candidate_to_itself(
    house: House, gate: threading.Event, is_awaited: bool
) -> None:
    shadow = house.shadow(score=equality(), budget=0.5, beside="thread", workers=1)

    def control(fails: bool) -> int:
        if fails:
            raise LookupError
        return 1

    def call(candidate: Any, fails: bool) -> Any:
        if is_awaited:
            return asyncio.run(_awaiting(shadow, awaited(control), candidate, fails))
        return shadow(control, candidate, fails)

    with pytest.raises(LookupError):
        call(lambda _: gate.wait(), True)
    assert call(lambda _: 1, False) == 1
    assert shadow.counts.kinds == {"control_failed": 1, "compared": 1}, "another thread took its place"


async def _awaiting(shadow: Any, *args: Any) -> Any:
    return await shadow(*args)


def test_a_publish_function_that_hangs_holds_up_neither_callers_nor_other_comparisons(
    house: House, gate: threading.Event
) -> None:
    shadow = house.shadow(score=equality(), budget=0.1, workers=1, publish=lambda _: gate.wait())
    assert shadow(lambda: 1, lambda: 1) == 1
    until(lambda: shadow._pool._lost == 1)
    assert shadow(lambda: 1, lambda: 1) == 1
    until(lambda: shadow.counts["compared"] == 2)


def test_threads_end_when_there_is_nothing_to_do(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "IDLE", 0.05)
    shadow = house.shadow(score=equality(), budget=1.0)
    assert own_threads() == []
    shadow(lambda: 1, lambda: 1)
    assert shadow.drain()
    until(lambda: own_threads() == [])
    shadow(lambda: 1, lambda: 1)
    assert shadow.drain()
    assert shadow.counts["compared"] == 2


def test_no_more_threads_than_workers(house: House) -> None:
    shadow = house.shadow(score=equality(), workers=2)
    for _ in range(50):
        shadow(lambda: 1, lambda: time.sleep(0.001) or 1)
    assert len([name for name in own_threads() if not name.endswith("watcher")]) <= 2
    assert shadow.drain()
    assert shadow.counts["compared"] == 50


def test_after_closing_calls_go_on_uncompared(house: House, way: Any, caplog: pytest.LogCaptureFixture) -> None:
    needs_thread = way is WAYS["mixed"]
    for serve, answer in (("control", 1), ("auto", 1 if needs_thread else 2), ("candidate", 2)):
        shadow = house.shadow(serve=serve, beside="inline")
        shadow.close()
        if serve != "candidate" or not needs_thread:
            assert way.call(shadow, lambda: 1, lambda: 2) == answer
    assert house.reports == []
    assert caplog.records == [], "that it was closed is no news"


def test_closing_waits_no_longer_than_it_is_told(house: House, gate: threading.Event) -> None:
    shadow = house.shadow(score=equality(), workers=1)
    began = threading.Event()
    shadow(lambda: 1, lambda: began.set() or gate.wait())
    assert began.wait(5)
    shadow(lambda: 1, lambda: 1)
    started = time.monotonic()
    assert not shadow.drain(timeout=0.05)
    shadow.close(timeout=0.05)
    assert time.monotonic() - started < 2
    assert shadow.counts["skipped"] == 1, "what waited is counted"


def test_the_context_of_the_caller_goes_with_its_candidate(house: House, way: Any, beside: Any) -> None:
    from contextvars import ContextVar

    tenant: ContextVar[str] = ContextVar("tenant")
    tenant.set("acme")
    shadow = house.shadow(score=equality(), beside=beside)
    assert way.call(shadow, lambda: "acme", tenant.get) == "acme"
    assert house.report.score == 0.0


def test_a_hanging_candidate_does_not_hang_the_exit() -> None:
    program = (
        "import threading\n"
        "from driftbreaker import Shadow\n"
        "from driftbreaker.testing import MemoryReporter, MemorySwitchboard\n"
        "shadow = Shadow(MemorySwitchboard(), MemoryReporter(), 'pricing')\n"
        "print(shadow(lambda: 1, threading.Event().wait))\n"
    )
    run = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, timeout=20)
    assert (run.stdout, run.stderr, run.returncode) == ("1\n", "", 0)


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="needs fork")
def test_after_a_fork_the_child_compares_with_threads_of_its_own() -> None:
    program = (
        "import os, threading\n"
        "from driftbreaker import Shadow\n"
        "from driftbreaker.testing import MemoryReporter, MemorySwitchboard\n"
        "shadow = Shadow(MemorySwitchboard(), MemoryReporter(), 'pricing', workers=1)\n"
        "gate = threading.Event()\n"
        "shadow(int, gate.wait); shadow(int, int)\n"
        "held, go_on = threading.Event(), threading.Event()\n"
        "def hold():\n"
        "    with shadow._pool._lock, shadow._tally._lock:\n"
        "        held.set(); go_on.wait()\n"
        "holder = threading.Thread(target=hold); holder.start(); held.wait()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    shadow(int, int)\n"
        "    drained = shadow.drain(5) and shadow.counts['compared'] == 1\n"
        "    os._exit(0 if drained else 1)\n"
        "go_on.set(); holder.join()\n"
        "gate.set()\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
        "shadow.close()\n"
        "print(shadow.counts['compared'])\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert (run.stdout, run.stderr) == ("0\n2\n", "")


def test_a_finalizer_that_calls_in_between_locks_nobody_out(house: House) -> None:
    shadow = house.shadow(score=equality())
    with shadow._pool._lock, shadow._tally._lock:
        assert shadow(lambda: 1, lambda: 1) == 1
        assert shadow.counts.kinds == {}
    assert shadow.drain()
    assert shadow.counts["compared"] == 1


def test_a_candidate_that_is_late_is_cancelled_before_the_control_serves(house: House) -> None:
    order = []

    async def candidate() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            order.append("candidate ended")

    async def control() -> int:
        await asyncio.sleep(0.01)
        order.append("control served")
        return 1

    async def main() -> None:
        shadow = house.shadow(serve="candidate", budget=0.1)
        assert await shadow(control, candidate) == 1

    asyncio.run(main())
    assert order == ["candidate ended", "control served"]
