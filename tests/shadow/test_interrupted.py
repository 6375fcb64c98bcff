"""What ends the caller's wait from outside is the host's: it reaches the caller, and nothing is begun after it."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from driftbreaker.scores import equality
from driftbreaker.shadow import jobs

from .conftest import House, awaited
from .test_control_is_safe import raising


class HostTimeout(BaseException):
    """As gevent's."""


class TimeLimitError(Exception):
    """As Celery's soft one."""


INTERRUPTIONS = [KeyboardInterrupt(), SystemExit(0), HostTimeout(), TimeLimitError()]


@pytest.fixture
def interrupts(request: pytest.FixtureRequest) -> Iterator[Callable[[], None]]:
    """Raise what the test says out of a signal handler, once the main thread waits for a thread of ours."""
    main, handled, done = threading.main_thread().ident or 0, threading.Event(), threading.Event()

    def handle(*_: object) -> None:
        if not handled.is_set():
            handled.set()
            raise request.param

    def interrupt() -> None:
        while sys._current_frames()[main].f_code is not jobs.Waiting.wait.__code__:
            time.sleep(0.001)
        # Again and again: one that arrives a moment before a lock is waited for is noticed when that wait ends.
        while not handled.is_set():
            signal.pthread_kill(main, signal.SIGUSR1)
            time.sleep(0.01)
        done.set()

    before = signal.signal(signal.SIGUSR1, handle)
    yield interrupt
    assert done.wait(5), "the last signal must find this handler"
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="needs signals")
@pytest.mark.parametrize("interrupts", INTERRUPTIONS, ids=repr, indirect=True)
@pytest.mark.parametrize(
    ("serve", "beside"), [("control", "thread"), ("candidate", "thread"), ("candidate", "background")]
)
def test_what_a_signal_handler_raises_reaches_a_caller_that_waits_for_a_thread(
    house: House, gate: threading.Event, interrupts: Callable[[], None], request: Any, serve: str, beside: str
) -> None:
    called: list[str] = []

    def candidate() -> None:
        interrupts()
        gate.wait()

    shadow = house.shadow(serve=serve, score=equality(), beside=beside, budget=60.0)
    error = request.node.callspec.params["interrupts"]
    with pytest.raises(type(error)) as caught:
        shadow(lambda: called.append("control"), candidate)
    assert caught.value is error
    assert called == ["control"] * (beside == "thread"), "it was called before anybody waited, or never"
    assert (shadow.counts.kinds, shadow.counts.broken, house.reports) == ({"abandoned": 1}, 0, [])


def waits(*_: Any) -> Any:
    return asyncio.get_running_loop().create_future()


async def hangs() -> None:
    await waits()


@pytest.mark.parametrize(
    ("serve", "beside"),
    [("control", "inline"), ("control", "thread"), ("candidate", "thread"), ("candidate", "background")],
)
@pytest.mark.parametrize("candidate", ["coroutine", "function"])
def test_a_caller_that_is_closed_while_it_waits_for_its_candidate_ends(
    house: House, gate: threading.Event, serve: str, beside: str, candidate: str
) -> None:
    called: list[str] = []

    async def control() -> None:
        called.append("control")

    async def main() -> None:
        shadow = house.shadow(serve=serve, score=equality(), beside=beside)
        caller = shadow(control, hangs if candidate == "coroutine" else gate.wait)
        caller.send(None)
        before = [*called]
        caller.close()
        assert called == before, "nothing is begun on a frame that is being closed"
        assert (shadow.counts.kinds, shadow.counts.broken, house.reports) == ({"abandoned": 1}, 0, [])

    asyncio.run(main())


@pytest.mark.parametrize("beside", ["thread", "background"])
def test_a_guard_that_is_closed_while_its_control_runs_ends(house: House, beside: str) -> None:
    began: list[str] = []

    async def control() -> None:
        began.append("control")
        await waits()

    async def main() -> None:
        shadow = house.shadow(serve="candidate", score=equality(), beside=beside)
        caller = shadow(control, awaited(lambda: 1 // 0))
        waited_for = caller.send(None)
        while not began:
            await asyncio.wait({waited_for})
            waited_for = caller.send(None)
        caller.close()
        assert (shadow.counts.kinds, shadow.counts.broken, house.reports) == ({"abandoned": 1}, 0, [])

    asyncio.run(main())


@pytest.mark.parametrize("serve", ["control", "candidate", "auto"])
@pytest.mark.parametrize("candidate", ["coroutine", "function"])
def test_a_caller_whose_loop_is_gone_leaves_nothing_to_warn_of(
    house: House, gate: threading.Event, beside: str, serve: str, candidate: str
) -> None:
    """The loop was closed with everything in it: what is left is collected, now or later."""
    shadow = house.shadow(serve=serve, score=equality(), beside=beside)
    loop = asyncio.new_event_loop()
    heard: list[Any] = []
    loop.set_exception_handler(lambda _, context: heard.append(context))
    caller = loop.create_task(shadow(awaited(lambda: 1), hangs if candidate == "coroutine" else gate.wait))
    loop.run_until_complete(asyncio.sleep(0.02))
    loop.close()
    caller._log_destroy_pending = False  # type: ignore[attr-defined]  # it is the test's own
    del caller, loop
    asyncio.run(shadow.adrain(timeout=0.0))
    gc.collect()
    assert heard == []
    assert shadow.counts.broken == 0


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1)], ids=repr)
def test_what_ends_the_control_is_counted_once(house: House, beside: str, error: BaseException) -> None:
    for serve in ("control", "candidate"):
        shadow = house.shadow(serve=serve, score=equality(), beside=beside)
        with pytest.raises(type(error)):
            shadow(raising(error), raising(ValueError()))
        assert shadow.drain()
        assert sum(shadow.counts.kinds.values()) == 1
