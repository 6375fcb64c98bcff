"""The reporter of an `AsyncEngine`: flushes in a task of the host's event loop."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from sqlalchemy import Connection
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

from ..checks import check_seconds
from ..errors import InvalidArgumentError
from ..forks import tell_of_forks
from ..refresh.connection import left_behind
from ..reporter.door import ReportingDoor
from ..reporter.flusher import Flusher
from ..reporter.options import ReporterOptions, checked_options
from ..reporter.writing import Chunk
from .connecting import all_discarded, connect, discard, within
from .listener import happens

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine
    from typing_extensions import Unpack

_logger = logging.getLogger("driftbreaker")
#: How long what is under way may take at the end.
GRACE = 1.0


class AsyncReporter(ReportingDoor):
    """`Reporter` for an ``AsyncEngine``: the same options, promises and errors; nothing blocks the event loop.

    `report` is a plain call, from any thread, awaited by nobody. After a fork the child must start it again, in an
    event loop of its own: until then its reports wait in memory. Close it before the event loop ends: the process's
    exit has none to flush in.
    """

    def __init__(self, engine: AsyncEngine, **options: Unpack[ReporterOptions]) -> None:
        # By duck: importing SQLAlchemy's asyncio would need greenlet even to say what is wrong.
        if not hasattr(engine, "sync_engine"):
            raise InvalidArgumentError(f"engine must be a sqlalchemy AsyncEngine, got {type(engine).__name__}")
        self._engine = engine
        self._flushing = asyncio.Lock()
        self._background: _Background | None = None
        super().__init__(checked_options(**options), self._wake)
        self._at_fork = _AtFork(self._after_fork)
        tell_of_forks(self._at_fork)

    def start(self) -> None:
        """Flush in a task of the running event loop until `close`.

        Raises InvalidArgumentError for an in-memory SQLite engine, whose one connection a task of ours must not share:
        await `flush` there.
        """
        if isinstance(self._engine.pool, StaticPool):
            raise InvalidArgumentError(
                "an in-memory database has one connection, which a reporter's task must not share: await flush()"
            )
        if self._background is None:
            self._background = _Background(self._flush, self._flusher)

    async def flush(self) -> bool:
        """Write all that waits now; return whether all of it was written. Raises nothing."""
        return await self._flush()

    async def close(self, timeout: float = 10.0) -> None:  # noqa: ASYNC109  the same argument as the other reporter's
        """Flush and stop, waiting at most `timeout` seconds. What is left, and what comes later, is dropped."""
        check_seconds(timeout, "timeout")
        if self._background is not None:
            await self._background.close(timeout)
        else:
            await self.flush()
        self._flusher.close()
        self._background = None
        await all_discarded(GRACE)

    async def __aenter__(self) -> AsyncReporter:
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _wake(self) -> None:
        if self._background is not None:
            self._background.wake()
        else:
            self._warn_of_waiting()

    async def _flush(self, *, due_only: bool = False) -> bool:
        """Write all that waits, or but for what failed lately."""
        async with self._flushing:
            return await self._write_all(due_only=due_only)

    async def _write_all(self, *, due_only: bool) -> bool:
        flusher = self._flusher
        flusher.begin(due_only=due_only)
        while (chunk := flusher.next_chunk()) is not None:
            try:
                await self._write(chunk)
            except BaseException as error:  # a cancelled flush must not lose what it took out
                flusher.failed(chunk, error)
                if not isinstance(error, Exception):
                    raise
            else:
                flusher.wrote(chunk)
        return flusher.all_written

    async def _write(self, chunk: Chunk) -> None:
        def write(connection: Connection) -> None:
            with Session(connection) as session, session.begin():
                self._writer.write(session, chunk)

        connection = await connect(self._engine, self._options.patience)
        try:
            await within(self._options.patience, connection, write)
            chunk.committed = True
            await connection.close()
        except BaseException:
            await discard(connection)
            raise

    def _after_fork(self) -> None:
        """What waits is the parent's to write, and so are the task and the connections."""
        if self._background is not None:
            left_behind.append((self._background, self._flushing))
            self._background = None
        self._flushing = asyncio.Lock()
        self._flusher.after_fork()


class _AtFork:
    """Has a reporter begin again in a child: the flush that is under way is a task of the parent's."""

    def __init__(self, begin_again: Callable[[], None]) -> None:
        self._begin_again = begin_again

    def before_fork(self) -> None:
        """Nothing to wait for."""

    def after_fork_in_parent(self) -> None:
        """Go on."""

    def after_fork_in_child(self) -> None:
        """Begin again."""
        self._begin_again()


class _Background:
    """The task that flushes."""

    def __init__(self, flush: Callable[..., Awaitable[bool]], flusher: Flusher) -> None:
        self._flush = flush
        self._flusher = flusher
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._due = asyncio.Event()
        self._closing = False
        self._task = self._loop.create_task(self._serve(), name="driftbreaker-reporter")
        if not flusher.is_idle:
            self._due.set()

    def wake(self) -> None:
        """Flush when it is time; from any thread."""
        if threading.get_ident() == self._thread:
            self._due.set()
            return
        with suppress(RuntimeError):  # the host's loop has just ended
            self._loop.call_soon_threadsafe(self._due.set)

    async def close(self, timeout: float) -> None:  # noqa: ASYNC109
        """Flush once more and end, within `timeout` seconds."""
        self._closing = True
        self._due.set()
        _, left = await asyncio.wait([self._task], timeout=max(timeout - GRACE, timeout / 2))
        if left:
            self._task.cancel()
            _, left = await asyncio.wait([self._task], timeout=min(GRACE, timeout / 2))
        if left:
            _logger.warning("driftbreaker: the reporter's last flush did not end within %g s", timeout)

    async def _serve(self) -> None:
        while not self._closing:
            await self._due.wait()
            await self._wait_for_more(time.monotonic())
            if not self._closing:
                await self._guarded(due_only=True)
            if not self._flusher.is_idle:
                self._due.set()
        if not self._flusher.is_idle:
            # What was reported while the flush before was under way, too.
            await self._guarded(due_only=False)

    async def _guarded(self, *, due_only: bool) -> None:
        try:
            await self._flush(due_only=due_only)
        except Exception:
            # Nothing may end this task: reports would wait for ever.
            _logger.exception("driftbreaker: a flush of the reporter failed")

    async def _wait_for_more(self, since: float) -> None:
        self._due.clear()
        while not self._closing and (delay := self._flusher.delay(since)) > 0:
            await happens(self._due, delay)
            self._due.clear()
