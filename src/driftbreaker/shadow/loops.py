"""The tasks of a shadow, each with the event loop that it belongs to: loops end, and take along what they hold."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Any

from .call import Call
from .contained import close_quietly
from .forked import BeginsAgain

#: How many loops are known at once; of more, those that do not run are given up, which nobody closed.
LOOPS = 16
Abandon = Callable[[Call], object]


class Tasks:
    """What one event loop runs.

    - `held`: all of it, for loops hold their tasks weakly. `later`: those that settle a call, and which.
    - `forgotten`: what was cancelled, and has not ended yet.
    """

    def __init__(self, abandon: Abandon) -> None:
        self.held: set[asyncio.Task[Any]] = set()
        self.later: dict[asyncio.Task[Any], Call] = {}
        self.forgotten: set[asyncio.Future[Any]] = set()
        self._abandon = abandon

    def hold(self, task: asyncio.Task[Any], call: Call | None = None) -> None:
        """Keep a task until it ends."""
        self.held.add(task)
        if call is not None:
            self.later[task] = call
        # Nor does its loop complain when it ends without it: nobody but us was to wait.
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # as asyncio's own gather does
        task.add_done_callback(self._let_go)

    def give_up(self) -> None:
        """End what its loop will never run again."""
        for call in [*self.later.values()]:
            self._abandon(call)
        for task in [*self.held]:
            close_quietly(task.get_coro())

    def _let_go(self, task: asyncio.Task[Any]) -> None:
        self.held.discard(task)
        self.forgotten.discard(task)
        call = self.later.pop(task, None)
        if call is not None:
            self._abandon(call)  # unless it is settled: a task that is cancelled in time never begins
        if not task.cancelled():
            task.exception()  # looked at: the loop has nothing to warn of


class Loops(BeginsAgain):
    """The tasks of every event loop that calls a shadow."""

    def __init__(self, abandon: Abandon) -> None:
        self._abandon = abandon
        super().__init__()

    def begin_again(self) -> None:
        """Hold no tasks."""
        self._of: dict[asyncio.AbstractEventLoop, Tasks] = {}

    def here(self) -> Tasks:
        """Return the tasks of the loop that runs here."""
        loop = asyncio.get_running_loop()
        found = self._of.get(loop)
        if found is None:
            self.sweep(LOOPS)
            found = self._of[loop] = Tasks(self._abandon)
        return found

    def sweep(self, room: float = math.inf) -> None:
        """Give up the loops that are over, and where there are `room` of them or more, those that do not run."""
        is_crowded = len(self._of) >= room
        for loop in [*self._of]:
            if loop.is_closed() or (is_crowded and not loop.is_running()):
                tasks = self._of.pop(loop, None)
                if tasks is not None:
                    tasks.give_up()
