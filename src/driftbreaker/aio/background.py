"""The task of an asyncio reporter that was started, and whose turn it is to flush."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from ..hooks import raised_by_a_listener
from ..reporter.background import LAST_TRIES, PAUSE
from ..reporter.flusher import Flusher
from ..reporter.watch import WATCH_EVERY
from .listener import happens

_logger = logging.getLogger("driftbreaker")
#: How long what is under way may take at the end.
GRACE = 1.0
#: How often one loop looks at what goes on in another.
LOOK_EVERY = 0.02


class Background:
    """Flushes in a task of the running event loop until it is closed, or the host ends the task or the loop."""

    def __init__(self, flush: Callable[..., Awaitable[bool]], flusher: Flusher) -> None:
        self._flush = flush
        self._flusher = flusher
        self._loop = asyncio.get_running_loop()
        self._due = asyncio.Event()
        self._closing = asyncio.Event()
        self._has_closed = False
        if not flusher.is_idle:
            self._due.set()
        flusher.stir_again()  # the task may be cancelled before it begins
        self._task = self._loop.create_task(self._serve(), name="driftbreaker-reporter")

    @property
    def is_lost(self) -> bool:
        """Whether nobody will flush here any more, though nobody has closed it."""
        return self._is_over and not self._has_closed

    @property
    def is_left(self) -> bool:
        """Whether nobody flushes here: it is lost, or its loop stands still while another runs."""
        return self._is_over or not (self._loop.is_running() or self._loop is asyncio.get_running_loop())

    @property
    def _is_over(self) -> bool:
        return self._task.done() or self._loop.is_closed()

    def wake(self) -> None:
        """Flush when it is time; from any thread, a signal's handler too."""
        self._call(self._due.set)

    def leave(self) -> None:
        """End after one last flush, if its loop ever gets to it."""
        self._call(self._closing.set)
        self._call(self._due.set)

    async def close(self, until: float) -> bool:
        """Flush once more and end, by then; return whether it has, or has taken all of the time for it."""
        self.leave()
        if self.is_left:
            return self._has_closed
        left = max(0.0, until - time.monotonic())
        if await self._ends(until - min(GRACE, left / 2)):
            return self._has_closed
        self._call(self._task.cancel)
        if not await self._ends(until):
            _logger.warning("driftbreaker: the reporter's last flush did not end in time")
        return True

    async def _ends(self, until: float) -> bool:
        """Return whether it is over by then. What goes on in another loop cannot be awaited, only looked at."""
        while not self._is_over and (left := until - time.monotonic()) > 0:
            if self._loop is asyncio.get_running_loop():
                await asyncio.wait([self._task], timeout=left)
            else:
                await asyncio.sleep(min(LOOK_EVERY, left))
        return self._is_over

    def _call(self, what: Callable[[], object]) -> None:
        with suppress(RuntimeError):  # the host's loop has just ended
            self._loop.call_soon_threadsafe(what)

    async def _serve(self) -> None:
        try:
            while not self._closing.is_set():
                # Whoever was interrupted after it reported, and before it woke us, is not forgotten.
                if await happens(self._due, WATCH_EVERY) or not self._flusher.is_idle:
                    await self._wait_for_more(time.monotonic())
                    if not self._closing.is_set():
                        await self._guarded(due_only=True)
                    if not self._flusher.is_idle:
                        self._due.set()
            for _ in range(LAST_TRIES):
                if not self._flusher.is_idle:
                    # What was reported while the flush before was under way, too.
                    await self._guarded(due_only=False)
            self._has_closed = True
        finally:
            self._flusher.stir_again()

    async def _wait_for_more(self, since: float) -> None:
        self._due.clear()
        while not self._closing.is_set() and (delay := self._flusher.delay(since)) > 0:
            await happens(self._due, delay)
            self._due.clear()

    async def _guarded(self, *, due_only: bool) -> None:
        try:
            await self._flush(due_only=due_only)
        except BaseException as error:
            if _is_the_hosts_will(error):
                raise
            # Nothing else may end this task: reports would wait for ever.
            with suppress(Exception):
                _logger.exception("driftbreaker: a flush of the reporter failed")
            await happens(self._closing, PAUSE)


def _is_the_hosts_will(error: BaseException) -> bool:
    """Return whether the host ends this task, or its program: by Ctrl-C, or in a signal's handler, which came here."""
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        return task is None or task.cancelling() > 0  # else it is that of something that a listener waited for
    ends = isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit)
    return ends and not raised_by_a_listener(error)


class Turn:
    """Whose turn it is to flush: one at a time, and those of one event loop stand in line.

    What a loop was amid when it ended is over. What another loop is amid is not waited for.
    """

    def __init__(self) -> None:
        self._guard = threading.RLock()  # what a loop left behind may be collected, and leave, amid all of this
        self._loop: asyncio.AbstractEventLoop | None = None
        self._line = asyncio.Lock()
        self._standing = 0

    @property
    def is_free(self) -> bool:
        """Whether nobody flushes."""
        return not self._standing or self._loop is None or self._loop.is_closed()

    def join(self) -> asyncio.Lock | None:
        """Return the line to stand in until one `leaves`; None where another loop is amid a flush."""
        loop = asyncio.get_running_loop()
        with self._guard:
            if self._loop is not loop:
                if not self.is_free:
                    return None
                self._loop, self._line, self._standing = loop, asyncio.Lock(), 0
            self._standing += 1
            return self._line

    def leave(self, line: asyncio.Lock) -> None:
        """Stand in line no more."""
        with self._guard:
            if line is self._line:  # else that of a loop that has ended
                self._standing -= 1
