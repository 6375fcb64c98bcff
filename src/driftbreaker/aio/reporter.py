"""The reporter of an `AsyncEngine`: flushes in a task of the host's event loop."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from sqlalchemy import Connection
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

from ..checks import check_seconds
from ..errors import InvalidArgumentError
from ..forks import tell_of_forks
from ..refresh.connection import left_behind
from ..reporter.door import ReportingDoor
from ..reporter.exits import tell_no_more, tell_of_a_childs_end, tell_of_the_end
from ..reporter.options import ReporterOptions, checked_options
from ..reporter.writing import Chunk
from .background import GRACE, Background, Turn
from .connecting import all_discarded, connect, discard, within

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine
    from typing_extensions import Unpack

_logger = logging.getLogger("driftbreaker")


class AsyncReporter(ReportingDoor):
    """`Reporter` for an ``AsyncEngine``: the same options, promises and errors; nothing blocks the event loop.

    `report` is a plain call, from any thread, awaited by nobody. After a fork the child must start it again, in an
    event loop of its own, and so must you where its event loop has ended or somebody has cancelled its task: until then
    reports wait in memory. Close it before the event loop ends: the process's exit has none to flush in, and drops what
    waits.
    """

    def __init__(self, engine: AsyncEngine, **options: Unpack[ReporterOptions]) -> None:
        # By duck: importing SQLAlchemy's asyncio would need greenlet even to say what is wrong.
        if not hasattr(engine, "sync_engine"):
            raise InvalidArgumentError(f"engine must be a sqlalchemy AsyncEngine, got {type(engine).__name__}")
        self._engine = engine
        self._turn = Turn()
        self._background: Background | None = None
        self._used = False
        super().__init__(checked_options(**options), self._wake)
        self._at_fork = _AtFork(self._after_fork)
        tell_of_forks(self._at_fork)

    def start(self) -> None:
        """Flush in a task of the running event loop until `close`.

        Again in another one, where the first has ended. Raises InvalidArgumentError for an in-memory SQLite engine,
        whose one connection a task of ours must not share: await `flush` there.
        """
        if isinstance(self._engine.pool, StaticPool):
            raise InvalidArgumentError(
                "an in-memory database has one connection, which a reporter's task must not share: await flush()"
            )
        if self._background is not None and self._background.is_left:
            self._background.leave()
            self._background = None
        if self._background is None:
            self._background = self._in_background()
            self._warned = False
            tell_of_the_end(self._at_exit)
            tell_of_a_childs_end(self._at_exit)

    async def flush(self) -> bool:
        """Write all that waits now; return whether all of it was written. Raises nothing.

        False as well where another event loop is amid a flush.
        """
        return await self._flush()

    async def close(self, timeout: float = 10.0) -> None:  # noqa: ASYNC109  the same argument as the other reporter's
        """Flush and stop, waiting at most `timeout` seconds. What is left, and what comes later, is dropped."""
        check_seconds(timeout, "timeout")
        until = time.monotonic() + timeout
        try:
            await self._flush_last(until)
        finally:
            self._background = None
            tell_no_more(self._at_exit)
            self._flusher.close()
        await all_discarded(max(0.0, min(GRACE, until - time.monotonic())))

    async def __aenter__(self) -> AsyncReporter:
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _wake(self) -> None:
        if self._background is None:
            self._warn_of_waiting()
        elif self._background.is_lost:
            self._warn_of_waiting("has lost its task, or its event loop has ended")
        else:
            self._background.wake()

    def _in_background(self) -> Background:
        return Background(self._flush, self._flusher)

    async def _flush_last(self, until: float) -> None:
        closed = self._background is not None and await self._background.close(until)
        if not (closed or self._flusher.is_idle):
            # It may hang, and only a task can be left to itself. The host may have ended the one that there was.
            self._background = self._in_background()
            await self._background.close(until)

    async def _flush(self, *, due_only: bool = False) -> bool:
        """Write all that waits, or but for what failed lately."""
        line = self._turn.join()
        if line is None:
            return False
        try:
            async with line:
                return await self._write_all(due_only=due_only)
        finally:
            self._turn.leave(line)

    async def _write_all(self, *, due_only: bool) -> bool:
        flusher, loop = self._flusher, asyncio.get_running_loop()
        with flusher.flushing(due_only=due_only):
            while (chunk := flusher.next_chunk()) is not None:
                try:
                    await self._write(chunk)
                except BaseException as error:  # a cancelled flush must not lose what it took out
                    flusher.failed(chunk, error)
                    # What a loop left behind when it ended goes on where it is collected: only to end.
                    if not isinstance(error, Exception) or loop.is_closed():
                        raise
                else:
                    flusher.wrote(chunk)
            return flusher.all_written

    async def _write(self, chunk: Chunk) -> None:
        def write(connection: Connection) -> None:
            with Session(connection) as session, session.begin():
                self._writer.write(session, chunk)

        self._used = True
        connection = await connect(self._engine, self._options.patience)
        try:
            await within(self._options.patience, connection, write)
            chunk.committed = True
            await connection.close()
        except BaseException:
            await discard(connection)
            raise

    def _at_exit(self) -> None:
        """There is no event loop to flush in any more: what waits is dropped, and somebody is told."""
        if self._turn.is_free:
            self._flusher.settle()
        if not self._flusher.is_idle:
            _logger.warning("driftbreaker: a reporter was not closed before its event loop ended: await close()")
        self._flusher.close()

    def _after_fork(self) -> None:
        """What waits is the parent's to write, and so are the task and the connections."""
        if self._background is not None or self._used:  # by hand, too, connections of ours were left in the pool
            left_behind.append((self._background, self._turn, self._engine.pool))
            self._engine.sync_engine.dispose(close=False)
        self._background, self._turn = None, Turn()
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
