"""Loops that end, tasks that nobody finishes: none of it is held for ever, and none takes room from the next call."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable
from contextlib import ExitStack, closing
from typing import Any

import pytest

from driftbreaker.scores import equality
from driftbreaker.shadow import Why, coroutines, loops

from .conftest import House, awaited, until_awaited
from .test_coroutines import lambda_of, one

ROOM = 3
CALLS = 4 * ROOM


@pytest.fixture(autouse=True)
def little_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coroutines, "BACKLOG", ROOM)
    monkeypatch.setattr(loops, "LOOPS", ROOM)


async def hangs() -> None:
    await asyncio.get_running_loop().create_future()


def holds(shadow: Any) -> tuple[int, int]:
    """Return of how many loops, and of how many of their tasks, a shadow knows."""
    of = shadow._coroutines._loops._of
    return len(of), sum(len(tasks.held) for tasks in of.values())


@pytest.mark.parametrize("ran", [0, 0.005], ids=["not begun", "begun"])
@pytest.mark.parametrize("candidate", ["coroutine", "function"])
def test_loops_that_were_closed_with_comparisons_in_them_take_no_room(
    house: House, gate: threading.Event, ran: float, candidate: str
) -> None:
    """`asyncio.run` would have cancelled them; not everybody uses it."""
    shadow = house.shadow(score=equality(), workers=2 * CALLS)
    heard: list[Any] = []
    for _ in range(CALLS):
        with closing(asyncio.new_event_loop()) as loop:
            loop.set_exception_handler(lambda _, context: heard.append(context))
            assert loop.run_until_complete(shadow(one, hangs if candidate == "coroutine" else gate.wait)) == 1
            loop.run_until_complete(asyncio.sleep(ran))
    assert shadow.counts.kinds == {"abandoned": CALLS - 1}, "the last is found out when there is another loop"
    assert holds(shadow)[0] == 1
    asyncio.run(shadow.adrain())
    gc.collect()
    assert shadow.counts.kinds == {"abandoned": CALLS}
    assert (holds(shadow), shadow.counts.broken, house.reports, heard) == ((1, 0), 0, [], [])


def test_shadows_that_are_closed_after_their_loops_leave_nothing_to_warn_of(house: House) -> None:
    shadow = house.shadow(score=equality())
    with closing(asyncio.new_event_loop()) as loop:
        assert loop.run_until_complete(shadow(one, hangs)) == 1
    shadow.close()
    assert (holds(shadow), shadow.counts.kinds) == ((0, 0), {"abandoned": 1})


def test_a_candidate_that_will_not_be_closed_is_dropped_all_the_same(house: House) -> None:
    async def clings() -> None:
        try:
            await hangs()
        except GeneratorExit:
            await hangs()

    shadow = house.shadow(score=equality())
    with closing(asyncio.new_event_loop()) as loop:
        assert loop.run_until_complete(shadow(one, clings)) == 1
        loop.run_until_complete(asyncio.sleep(0.005))
    asyncio.run(shadow.adrain())
    gc.collect()
    assert shadow.counts.kinds == {"abandoned": 1}


def test_loops_that_nobody_closes_are_not_all_held(house: House) -> None:
    shadow = house.shadow(score=equality())
    with ExitStack() as unclosed:
        for _ in range(CALLS):
            loop = unclosed.enter_context(closing(asyncio.new_event_loop()))
            assert loop.run_until_complete(shadow(one, hangs)) == 1
            assert holds(shadow)[0] <= ROOM
        assert loop.run_until_complete(shadow(one, one)) == 1
        loop.run_until_complete(shadow.adrain(timeout=0.05))
    assert shadow.counts["compared"] == 1
    assert shadow.counts["skipped"] == 0


def test_a_loop_that_runs_is_never_given_up(house: House) -> None:
    shadow = house.shadow(score=equality())

    async def main() -> None:
        go_on = asyncio.Event()
        assert await shadow(one, lambda_of(_one_after, go_on)) == 1
        for _ in range(CALLS):
            await asyncio.to_thread(asyncio.run, shadow(one, hangs))
        go_on.set()
        assert await shadow.adrain()

    asyncio.run(main())
    assert shadow.counts.kinds == {"compared": 1, "abandoned": CALLS}


async def _one_after(event: asyncio.Event) -> int:
    await event.wait()
    return 1


def test_tasks_that_are_cancelled_before_they_begin_take_no_room(house: House) -> None:
    shadow = house.shadow(score=equality())

    async def main() -> None:
        for _ in range(CALLS):
            assert await shadow(one, hangs) == 1
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        assert await shadow.adrain()

    asyncio.run(main())
    assert (shadow.counts.kinds, house.reports) == ({"abandoned": CALLS}, [])


def clinging(until: asyncio.Event) -> Callable[[], Any]:
    async def refuses_to_be_cancelled() -> int:
        while not until.is_set():
            try:
                await until.wait()
            except asyncio.CancelledError:
                continue
        return 1

    return refuses_to_be_cancelled


@pytest.mark.parametrize("serve", ["control", "candidate"])
def test_coroutines_that_refuse_to_be_cancelled_are_no_more_than_there_is_room_for(
    house: House, beside: str, serve: str
) -> None:
    shadow = house.shadow(serve=serve, score=equality(), beside=beside, budget=0.01)

    async def main() -> None:
        go_on = asyncio.Event()
        try:
            for number in range(CALLS):
                pair = await shadow.compare(one, clinging(go_on))
                assert (pair.served, pair.answer) == ("control", 1)
                await until_awaited(lambda number=number: sum(shadow.counts.kinds.values()) > number)
            assert shadow.counts.kinds == {"timed_out": ROOM, "skipped": CALLS - ROOM}
            assert pair.why == (Why.SERVES if serve == "control" else Why.NO_ROOM)
            assert len(asyncio.all_tasks()) <= 1 + ROOM
        finally:
            go_on.set()
        await asyncio.sleep(0.01)
        assert await shadow(one, one) == 1
        assert await shadow.adrain()

    asyncio.run(main())
    assert shadow.counts["compared"] == 1, "once they end, there is room again"


def test_a_thread_that_is_late_takes_no_room_from_coroutines(house: House, gate: threading.Event) -> None:
    shadow = house.shadow(score=equality(), beside="inline", budget=0.01, workers=CALLS)

    async def main() -> None:
        for _ in range(CALLS):
            assert await shadow(one, gate.wait) == 1
        assert await shadow(one, awaited(lambda: 1)) == 1

    asyncio.run(main())
    assert shadow.counts.kinds == {"timed_out": CALLS, "compared": 1}
