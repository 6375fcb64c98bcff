"""What only coroutines do: being cancelled, and running on a loop that ends."""

from __future__ import annotations

import asyncio
import gc
from contextvars import ContextVar
from typing import Any

import pytest

from driftbreaker.scores import equality
from driftbreaker.shadow import coroutines

from .conftest import House, awaited, until


async def one() -> int:
    return 1


async def cancels_itself() -> int:
    raise asyncio.CancelledError


async def cancels_its_task() -> int:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(0)
    return 2


@pytest.mark.parametrize("serve", ["control", "candidate"])
@pytest.mark.parametrize("candidate", [cancels_itself, cancels_its_task])
def test_the_candidate_is_cancelled(house: House, beside: str, serve: str, candidate: Any) -> None:
    async def main() -> None:
        shadow = house.shadow(serve=serve, score=equality(), beside=beside)
        assert await shadow(one, candidate) == 1
        await shadow.adrain()

    asyncio.run(main())
    assert house.report.why == "Candidate raised asyncio.exceptions.CancelledError"


@pytest.mark.parametrize("serve", ["control", "candidate", "auto"])
@pytest.mark.parametrize("waits_in", ["control", "candidate"])
def test_a_cancelled_caller_is_cancelled_and_its_candidate_with_it(
    house: House, beside: str, serve: str, waits_in: str
) -> None:
    ended = []

    async def waits(who: str) -> int:
        try:
            await asyncio.sleep(60 if who == waits_in else 0)
        except asyncio.CancelledError:
            ended.append(who)
            raise
        return 1

    async def main() -> None:
        shadow = house.shadow(serve=serve, score=equality(), beside=beside)
        task = asyncio.create_task(shadow(lambda_of(waits, "control"), lambda_of(waits, "candidate")))
        await asyncio.sleep(0.01)
        if task.done():  # the other runs in the background
            await shadow.aclose(timeout=0.0)
        else:
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        await asyncio.sleep(0.01)
        assert ended == [waits_in]
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert house.reports == [], "nothing can be said of such a pair"
        assert shadow.counts["abandoned"] == 1

    asyncio.run(main())


def lambda_of(function: Any, *args: Any) -> Any:
    async def called() -> Any:
        return await function(*args)

    return called


def test_a_loop_that_ends_is_no_drift(house: House) -> None:
    async def hangs() -> int:
        await asyncio.sleep(60)
        return 2

    shadow = house.shadow(score=equality())

    async def main() -> None:
        assert await shadow(one, hangs) == 1

    asyncio.run(main())
    assert house.reports == []
    assert shadow.counts["abandoned"] == 1


def test_background_tasks_survive_the_garbage_collector(house: House) -> None:
    async def waits() -> int:
        await asyncio.sleep(0.02)
        return 1

    async def main() -> None:
        shadow = house.shadow(score=equality())
        assert await shadow(one, waits) == 1
        await asyncio.sleep(0)
        gc.collect()
        assert await shadow.adrain()
        assert shadow.counts["compared"] == 1

    asyncio.run(main())


def test_more_tasks_than_may_wait_are_skipped_and_counted(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coroutines, "BACKLOG", 3)

    async def main() -> None:
        shadow = house.shadow(score=equality())
        for _ in range(5):
            assert await shadow(one, lambda_of(asyncio.sleep, 0.01, 1)) == 1
        assert await shadow.adrain()
        assert shadow.counts.kinds == {"compared": 3, "skipped": 2}
        assert await shadow(one, one) == 1
        assert await shadow.adrain()
        assert shadow.counts["compared"] == 4

    asyncio.run(main())


def test_draining_says_whether_all_is_done(house: House) -> None:
    async def main() -> None:
        async with house.shadow(score=equality()) as shadow:
            await shadow(one, lambda_of(asyncio.sleep, 0.05, 1))
            assert not await shadow.adrain(timeout=0.0)
            assert await shadow.adrain()
        assert shadow.counts["compared"] == 1

    asyncio.run(main())


def test_one_shadow_serves_several_loops_one_after_the_other(house: House, way: Any) -> None:
    shadow = house.shadow(score=equality())
    for _ in range(3):
        assert way.call(shadow, lambda: 1, lambda: 1) == 1
    assert shadow.counts["compared"] == 3


@pytest.mark.parametrize("beside", ["inline", "thread"])
def test_ctrl_c_in_a_candidate_on_the_loop_is_the_users(house: House, beside: str) -> None:
    async def candidate() -> int:
        raise KeyboardInterrupt

    async def main() -> None:
        await house.shadow(score=equality(), beside=beside)(one, candidate)

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(main())


def test_what_the_control_sets_in_its_context_the_caller_sees(house: House, beside: str) -> None:
    seen: ContextVar[str] = ContextVar("seen", default="nothing")

    async def control() -> int:
        seen.set("the control's")
        return 1

    async def candidate() -> int:
        seen.set("the candidate's")
        return 1

    async def main() -> None:
        shadow = house.shadow(score=equality(), beside=beside)
        assert await shadow(control, candidate) == 1
        await shadow.adrain()
        assert seen.get() == "the control's"

    asyncio.run(main())


def test_a_plain_candidate_does_not_hold_up_the_loop(house: House) -> None:
    import threading
    import time

    loop_thread = threading.get_ident()
    ran_in = []

    def candidate() -> int:
        ran_in.append(threading.get_ident())
        time.sleep(0.01)
        return 1

    async def main() -> None:
        for serve in ("control", "candidate", "auto"):
            shadow = house.shadow(serve=serve, score=equality(), beside="inline")
            assert await shadow(one, candidate) == 1

    asyncio.run(main())
    assert len(ran_in) == 3
    assert loop_thread not in ran_in


def test_a_caller_that_is_cancelled_leaves_the_thread_of_its_candidate_to_itself(house: House) -> None:
    import threading

    gate = threading.Event()

    async def main() -> None:
        for serve in ("candidate", "auto"):
            shadow = house.shadow(serve=serve, score=equality(), workers=1)
            task = asyncio.create_task(shadow(one, gate.wait))
            await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await shadow(one, lambda: 1) == 1, "another thread takes its place"
            assert await shadow.adrain()
            assert shadow.counts.kinds == {"abandoned": 1, "compared": 1}

    try:
        asyncio.run(main())
    finally:
        gate.set()


def test_a_loop_that_ended_before_the_thread_did_warns_of_nothing(house: House) -> None:
    import threading

    gate = threading.Event()
    shadow = house.shadow(score=equality())

    async def main() -> None:
        assert await shadow(one, gate.wait) == 1
        await asyncio.sleep(0.01)

    asyncio.run(main())
    gate.set()
    until(lambda: not shadow._pool._running)


def test_a_coroutine_that_is_made_and_never_awaited_admits_nothing(house: House) -> None:
    shadow = house.shadow(score=equality(), beside="inline")
    shadow(one, awaited(lambda: 1)).close()
    assert shadow.counts.kinds == {}
