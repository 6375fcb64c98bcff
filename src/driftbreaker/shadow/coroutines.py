"""Drives flows for coroutines, on the caller's event loop. Loaded when a coroutine function is first met."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar, cast

from ..threads import in_thread
from .call import Call, Function, attempt, finished
from .comparison import Answer, Comparison, ComparisonKind, OutOfTimeError, Side, Why
from .contained import is_the_users, own_decimals
from .core import Core
from .flow import LATER, RUN, SERVE, START, TRY, WAIT, Ask, flow_of
from .forms import is_coroutine_function
from .functions import attempted
from .jobs import Job
from .loops import Loops, Tasks
from .pool import BACKLOG, Pool

T = TypeVar("T")


class Coroutines:
    """Runs the calls of one shadow where the control is a coroutine function."""

    def __init__(self, core: Core, pool: Pool) -> None:
        self.core = core
        self._pool = pool
        self._loops = Loops(core.abandon)

    async def run(self, call: Call, control: Function, candidate: Function) -> Comparison:
        """Run an admitted call; raise what the one that serves raises."""
        drive = _Drive(self, call, {"control": control, "candidate": candidate})
        flow = flow_of(self.core, call)
        try:
            ask, side = next(flow)
            while True:
                back = await drive.step(ask, side)
                try:
                    ask, side = flow.send(back)
                except StopIteration as ended:
                    comparison: Comparison = ended.value
                    break
        except BaseException as error:
            if call.is_interrupted(error):
                self.core.abandon(call)
            raise
        finally:
            drive.forget()
        if call.error is not None:
            raise call.error
        return comparison

    async def drain(self, timeout: float) -> bool:  # noqa: ASYNC109  the same argument as the other door's
        """Wait for what runs on this loop and in threads; return whether all of it ended but what hangs."""
        end = time.monotonic() + timeout
        mine = [*self._loops.here().held]
        left = (await asyncio.wait(mine, timeout=timeout))[1] if mine else set()
        return await self._of_pool(self._pool.drain, end) and not left

    async def close(self, timeout: float) -> None:  # noqa: ASYNC109
        """Finish what is under way, cancel what takes too long, end the threads."""
        end = time.monotonic() + timeout
        await self.drain(timeout)
        self.give_up()
        for task in [*self._loops.here().held]:
            task.cancel()
        await asyncio.sleep(0)
        await self._of_pool(self._pool.close, end)

    def give_up(self) -> None:
        """Drop what loops held that are closed."""
        self._loops.sweep()

    async def _of_pool(self, work: Callable[[float], T], end: float) -> T:
        left = max(0.0, end - time.monotonic())
        return await in_thread(lambda: work(left)) if self._pool.has_threads else work(0.0)

    def later(self, call: Call, side: Side, function: Function) -> bool:
        """Run and settle one of the two when the caller has its answer."""
        tasks = self._loops.here()
        if len(tasks.later) >= BACKLOG:
            return False
        tasks.hold(asyncio.get_running_loop().create_task(self._run_later(call, side, function)), call)
        return True

    async def _run_later(self, call: Call, side: Side, function: Function) -> None:
        core, served = self.core, call.answer
        drive = _Drive(self, call, {side: function})
        try:
            answer = await drive.step(RUN, side)
            kind = ComparisonKind.SKIPPED if answer is None else None
            if call.compares:  # unless its loop was given up meanwhile
                core.settle(call, *call.sides(served, answer), kind)
        except BaseException as error:
            if call.is_interrupted(error):
                core.abandon(call)
                raise
            core.tally.broken += 1
            call.compares = False  # as that it is counted
        finally:
            drive.forget()

    def begin(
        self,
        function: Function,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        called_by: Callable[[Function, tuple[Any, ...], dict[str, Any]], Answer] = attempted,
    ) -> _Started | None:
        """Start a function in a task or, `called_by` this, in a thread of its own; None where there is no room."""
        loop = asyncio.get_running_loop()
        tasks = self._loops.here()
        if is_coroutine_function(function):
            if len(tasks.forgotten) >= BACKLOG:  # a task can refuse to be cancelled, and end never
                return None
            task = loop.create_task(_attempted(function, args, kwargs))
            tasks.hold(task)
            return _Started(task, None, tasks)
        future: asyncio.Future[Answer] = loop.create_future()

        def then(answer: Answer) -> None:
            try:
                loop.call_soon_threadsafe(_resolve, future, answer)
            except RuntimeError:  # the loop is closed: nobody waits
                return

        job = Job(lambda: called_by(function, args, kwargs), then, None, lambda: None)
        return _Started(future, job, tasks) if self._pool.submit(job) else None

    def lose(self, job: Job) -> None:
        """Wait no more for a thread."""
        if job.claim():
            self._pool.lose(job)


class _Started:
    """A function that runs beside: in a task, or as a job of a thread."""

    __slots__ = ("at", "future", "job", "tasks")

    def __init__(self, future: asyncio.Future[Answer], job: Job | None, tasks: Tasks) -> None:
        self.future = future
        self.job = job
        self.tasks = tasks
        self.at = time.perf_counter()


class _Drive:
    """One call's run."""

    def __init__(self, home: Coroutines, call: Call, functions: dict[Side, Function]) -> None:
        self._home = home
        self._core = home.core
        self._call = call
        self._functions = functions
        self._started: _Started | None = None

    async def step(self, ask: Ask, side: Side) -> Any:
        """Do what a flow asks for."""
        if ask is SERVE:
            return await self._serve(side)
        if ask is TRY:
            return await _attempt(self._functions[side], *self._call.arguments(side), Exception)
        if ask is WAIT:
            return await self._wait()
        if ask is LATER:
            return self._home.later(self._call, side, self._functions[side])
        self._started = self._home.begin(self._functions[side], *self._call.arguments(side))
        if ask is START:
            return self._started is not None
        return await self._wait() if self._started is not None else None

    def forget(self) -> None:
        """Cancel what was started and nobody waits for any more."""
        started = self._started
        if started is None or started.future.done():
            return
        with suppress(RuntimeError):  # its loop is closed, and will not run it
            started.future.cancel()
        if started.job is not None:
            self._home.lose(started.job)
        else:
            started.tasks.forgotten.add(started.future)

    async def _serve(self, side: Side) -> Answer:
        call, function = self._call, self._functions[side]
        if side == "candidate" and not is_coroutine_function(function):
            return await self._serve_in_thread(function)
        args, kwargs = call.arguments(side)
        call.begin()
        try:
            call.value = await function(*args, **kwargs)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._core.serving_failed(call, error)
            raise
        call.done = True
        return call.answered()

    async def _serve_in_thread(self, candidate: Function) -> Answer:
        """Let a plain candidate serve, as it would without us: no budget ends it, and its error is the caller's."""
        call = self._call
        started = self._home.begin(candidate, *call.arguments("candidate"), attempt)
        if started is None:
            call.hand_over(Why.NO_ROOM)
            self._core.tally.fell_back()
            return await self._serve("control")
        call.begin()
        try:
            answer = await started.future
        except BaseException:
            if started.job is not None:
                self._home.lose(started.job)
            raise
        if answer.error is not None:
            self._core.serving_failed(call, answer.error)
            raise answer.error
        call.value, call.done = answer.value, True
        return answer

    async def _wait(self) -> Answer | None:
        """Return the answer of what was started, or that it was late; None where it never began."""
        started, budget = cast(_Started, self._started), self._core.options.budget
        left = budget - (time.perf_counter() - started.at)
        if not started.future.done():
            await asyncio.wait({started.future}, timeout=max(left, 0.0))
        seconds = time.perf_counter() - started.at
        if not started.future.done():
            self.forget()
            if started.job is not None and not started.job.begun:
                return None
            return Answer(None, OutOfTimeError(f"took longer than {budget:g} s"), seconds)
        if started.future.cancelled():
            return Answer(None, asyncio.CancelledError(), seconds)
        return started.future.result()


async def _attempt(
    function: Callable[..., Awaitable[Any]],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    contained: type[BaseException] = BaseException,
) -> Answer:
    """Await a function for what it answers or raises, as `attempt`. Whose a cancellation is, whoever waits can tell."""
    started = time.perf_counter()
    try:
        value = await function(*args, **kwargs)
    except asyncio.CancelledError:
        raise
    except contained as error:
        if is_the_users(error):
            raise
        return Answer(None, error, time.perf_counter() - started)
    return Answer(value, None, time.perf_counter() - started)


async def _attempted(function: Callable[..., Awaitable[Any]], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Answer:
    own_decimals()
    return finished(await _attempt(function, args, kwargs))


def _resolve(future: asyncio.Future[Answer], answer: Answer) -> None:
    if not future.done():
        future.set_result(answer)
