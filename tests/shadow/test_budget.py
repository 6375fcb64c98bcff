"""A candidate that is late, or hangs, is an observation and holds nobody up."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest

from driftbreaker.scores import equality
from driftbreaker.shadow import Why

from .conftest import WAYS, House, awaited, until, until_awaited

LATE = "Candidate took longer than 0.1 s"


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


def test_after_closing_calls_go_on_uncompared(house: House, way: Any, caplog: pytest.LogCaptureFixture) -> None:
    needs_thread = way is WAYS["mixed"]
    for serve, answer in (("control", 1), ("auto", 1 if needs_thread else 2), ("candidate", 2)):
        shadow = house.shadow(serve=serve, beside="inline")
        shadow.close()
        if serve != "candidate" or not needs_thread:
            assert way.call(shadow, lambda: 1, lambda: 2) == answer
    assert house.reports == []
    assert caplog.records == [], "that it was closed is no news"


def test_the_context_of_the_caller_goes_with_its_candidate(house: House, way: Any, beside: Any) -> None:
    from contextvars import ContextVar

    tenant: ContextVar[str] = ContextVar("tenant")
    tenant.set("acme")
    shadow = house.shadow(score=equality(), beside=beside)
    assert way.call(shadow, lambda: "acme", tenant.get) == "acme"
    assert house.report.score == 0.0


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
