"""Drives flows for plain functions: in the caller's thread, and in threads of our own."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from decimal import getcontext, setcontext
from functools import partial
from typing import Any

from .call import Call, Function, attempt, finished
from .comparison import Answer, Comparison, ComparisonKind, Side
from .core import Core
from .flow import LATER, RUN, SERVE, START, TRY, WAIT, Ask, flow_of
from .jobs import Job, Waiting
from .pool import Pool


class Functions:
    """Runs the calls of one shadow where control and candidate are functions."""

    def __init__(self, core: Core, pool: Pool) -> None:
        self._core = core
        self._pool = pool

    def run(self, call: Call, control: Function, candidate: Function) -> Comparison:
        """Run an admitted call; raise what the one that serves raises."""
        drive = _Drive(self._core, self._pool, call, {"control": control, "candidate": candidate})
        flow = flow_of(self._core, call)
        try:
            ask, side = next(flow)
            while True:
                back = drive.step(ask, side)
                try:
                    ask, side = flow.send(back)
                except StopIteration as ended:
                    comparison: Comparison = ended.value
                    break
        except BaseException as error:
            if call.is_interrupted(error):
                self._core.abandon(call)
            raise
        finally:
            drive.forget()
        if call.error is not None:
            raise call.error
        return comparison


class _Drive:
    """One call's run."""

    def __init__(self, core: Core, pool: Pool, call: Call, functions: dict[Side, Function]) -> None:
        self._core = core
        self._pool = pool
        self._call = call
        self._functions = functions
        self._started: Waiting | None = None
        # A candidate whose budget is enforced cannot run in the thread that has to serve without it.
        self._is_enforced = core.options.serve == "candidate" and core.options.beside != "inline"

    def step(self, ask: Ask, side: Side) -> Any:
        """Do what a flow asks for."""
        if ask is SERVE:
            return self._serve(side)
        if ask is TRY:
            return attempt(self._functions[side], *self._call.arguments(side), Exception)
        if ask is START:
            return self._start(side)
        if ask is WAIT:
            return self._wait()
        if ask is LATER:
            return self._later(side)
        if ask is RUN and side == "candidate" and self._is_enforced:
            return self._wait() if self._start(side) else None
        return attempted(self._functions[side], *self._call.arguments(side))

    def forget(self) -> None:
        """Let nobody wait for what was started."""
        if self._started is not None and self._started.job.claim():
            self._pool.lose(self._started.job)

    def _serve(self, side: Side) -> Answer:
        call = self._call
        args, kwargs = call.arguments(side)
        call.begin()
        try:
            call.value = self._functions[side](*args, **kwargs)
        except BaseException as error:
            self._core.serving_failed(call, error)
            raise
        call.done = True
        return call.answered()

    def _attempt(self, side: Side) -> Callable[[], Answer]:
        args, kwargs = self._call.arguments(side)
        return partial(attempted, self._functions[side], args, kwargs)

    def _start(self, side: Side) -> bool:
        waiting = Waiting(self._attempt(side))
        if not self._pool.submit(waiting.job):
            return False
        self._started = waiting
        return True

    def _wait(self) -> Answer | None:
        if self._started is None:
            return None
        self._call.waits = True
        answer = self._started.wait(self._core.options.budget, self._pool.lose)
        self._call.waits = False
        return answer

    def _later(self, side: Side) -> bool:
        call, core = self._call, self._core
        served = call.answer

        def settle(answer: Answer) -> None:
            core.settle(call, *call.sides(served, answer))

        def skip() -> None:
            core.settle(call, *call.sides(served, None), ComparisonKind.SKIPPED)

        return self._pool.submit(Job(self._attempt(side), settle, core.options.budget, skip))


def attempted(function: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Answer:
    """Call a function for what it answers or raises; what is yet to be run is no answer.

    In a context of its own: what it sets there is neither the caller's nor the score function's.
    """
    context = copy_context()
    context.run(setcontext, getcontext().copy())  # see `own_decimals`: the same, sooner
    return finished(context.run(attempt, function, args, kwargs))
