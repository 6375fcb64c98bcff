"""The switchboard of an `AsyncEngine`: reads and listens in tasks of the host's event loop."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from sqlalchemy.pool import StaticPool

from ..checks import check_count, check_seconds
from ..errors import InvalidArgumentError
from ..forks import forget_forks, tell_of_forks
from ..hooks import listen
from ..refresh.connection import ANSWER, left_behind, own_engine
from ..refresh.options import Options, SwitchboardOptions, checked_options
from ..refresh.refresher import Refresher, new_snapshot
from ..refresh.ticker import Ticker
from ..snapshot import Board, Handle, Snapshot
from .connecting import all_discarded, connect, discard, within
from .listener import can_listen, happens, keep_listening

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
    from typing_extensions import Unpack

_logger = logging.getLogger("driftbreaker")
WATCH_EVERY = 5.0
#: How long what is under way may take at the end.
GRACE = 2.0


class AsyncSwitchboard(Board):
    """`Switchboard` for an ``AsyncEngine``: the same options, promises and errors; nothing blocks the event loop.

    Listens through asyncpg or psycopg, whichever the engine has. After a fork the child must start it again, in an
    event loop of its own: until then its handles age, and answer by their outage policy in the end.
    """

    def __init__(
        self, engine: AsyncEngine, *, listen_on: AsyncEngine | None = None, **options: Unpack[SwitchboardOptions]
    ) -> None:
        # By duck: importing SQLAlchemy's asyncio would need greenlet even to say what is wrong.
        for what, given in (("engine", engine), ("listen_on", listen_on or engine)):
            if not hasattr(given, "sync_engine"):
                raise InvalidArgumentError(f"{what} must be a sqlalchemy AsyncEngine, got {type(given).__name__}")
        self._engine = engine
        self._listen_on = listen_on or engine
        self._options = checked_options(**options)
        self._background: _Background | None = None
        snapshot = new_snapshot(self._options, os.environ)
        self._refresher = Refresher(snapshot, self._options, self._wake_reader)
        super().__init__(snapshot, self._options.outage)

    async def start(self, wait: float = 1.0) -> None:
        """See `Switchboard.start`; the tasks are the running event loop's."""
        if isinstance(self._engine.pool, StaticPool):
            raise InvalidArgumentError(
                "an in-memory database has one connection, which a switchboard's tasks must not share: await refresh()"
            )
        wait = check_seconds(wait, "wait", 0.0)
        self._leave_what_is_the_parents()
        if self._background is None:
            listens_on = self._listen_on if self._options.listen else None
            self._background = _Background(self._engine, listens_on, self._options, self._snapshot, self._refresher)
            self._background.start()
            self._refresher.wake()
        await self._background.wait_for(lambda: self.age < self._options.stale_after, wait)

    async def close(self, timeout: float = 10.0) -> None:  # noqa: ASYNC109  the same argument as the other board's
        """See `Switchboard.close`."""
        check_seconds(timeout, "timeout")
        self._leave_what_is_the_parents()
        background, self._background = self._background, None
        if background is not None:
            await background.close(timeout)
            self._snapshot.forget(time.monotonic())

    async def refresh(self) -> None:
        """See `Switchboard.refresh`."""
        async with self._engine.connect() as connection:
            self._refresher.succeeded(await connection.run_sync(self._refresher.read))

    async def wait_until(self, name: str, version: int, timeout: float = 5.0, *, scope: str = "") -> bool:  # noqa: ASYNC109
        """See `Switchboard.wait_until`."""
        self._leave_what_is_the_parents()
        handle = self.handle(name, scope)
        version, timeout = check_count(version, "version", 0), check_seconds(timeout, "timeout", 0.0)
        if self._background is None:
            await self.refresh()
            return self._knows(handle, version)
        if self._knows(handle, version):
            return True
        self._refresher.wait_for(handle.key, version, timeout)
        return await self._background.wait_for(lambda: self._knows(handle, version), timeout)

    async def __aenter__(self) -> AsyncSwitchboard:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _knows(self, handle: Handle, version: int) -> bool:
        return self._snapshot.version(handle.key, time.monotonic()) >= version

    def _leave_what_is_the_parents(self) -> None:
        if self._background is not None and self._background.is_the_parents:
            self._background.leave()
            self._background = None
            self._snapshot.forget(time.monotonic())

    def _wake_reader(self) -> None:
        background = self._background
        if background is not None and not background.is_the_parents:
            background.wake()


class _Background:
    """The tasks of a switchboard that was started, and its ticker, which is a thread: a loop may be held up."""

    def __init__(
        self,
        engine: AsyncEngine,
        listen_on: AsyncEngine | None,
        options: Options,
        snapshot: Snapshot,
        refresher: Refresher,
    ) -> None:
        from sqlalchemy.ext.asyncio import AsyncEngine

        self._engine = AsyncEngine(own_engine(engine.sync_engine))
        self._listen_on = listen_on
        self._options = options
        self._snapshot = snapshot
        self._refresher = refresher
        self._loop = asyncio.get_running_loop()
        self._due = asyncio.Event()
        self._closing = asyncio.Event()
        self._read = asyncio.Condition()
        self._connection: AsyncConnection | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._held = False
        self.is_the_parents = False

    def start(self) -> None:
        self._ticker = Ticker(self._snapshot, lambda _: None, WATCH_EVERY)
        self._tasks = [self._loop.create_task(self._serve(), name="driftbreaker-reader")]
        self._stop_hearing = listen(self._refresher.hear_event)
        tell_of_forks(self)

    def wake(self) -> None:
        """Let the reader look when its next reading is due; from any thread."""
        with suppress(RuntimeError):  # the host's loop has just ended
            self._loop.call_soon_threadsafe(self._due.set)

    async def wait_for(self, what: Any, seconds: float) -> bool:
        """Wait until a reading makes something true; return whether one did in time."""
        async with self._read:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._read.wait_for(what), seconds)
        return bool(what())

    async def close(self, timeout: float) -> None:  # noqa: ASYNC109
        self._end_threads()
        self._closing.set()
        self._due.set()
        _, left = await asyncio.wait(self._tasks, timeout=min(GRACE, timeout))
        if left:
            for task in left:
                task.cancel()
            _, left = await asyncio.wait(left, timeout=timeout)
        if left:
            _logger.warning("driftbreaker: the switchboard's tasks did not end within %g s", timeout)
        await self._disconnect()
        await all_discarded(GRACE)

    def leave(self) -> None:
        """Leave the tasks and their connections to the process that made them, untouched."""
        self._end_threads()
        left_behind.append(self)

    def _end_threads(self) -> None:
        forget_forks(self)
        self._stop_hearing()
        self._ticker.close()

    def before_fork(self) -> None:
        self._held = self._snapshot.hold_still()

    def after_fork_in_parent(self) -> None:
        if self._held:
            self._snapshot.go_on()

    def after_fork_in_child(self) -> None:
        """The tasks are not there; what they read must not be believed for ever."""
        self.is_the_parents = True
        self._snapshot.after_fork()
        self._refresher.after_fork()
        self._ticker = Ticker(self._snapshot, lambda _: None, WATCH_EVERY)

    async def _serve(self) -> None:
        while not self._closing.is_set():
            wait = self._refresher.next_at - time.monotonic()
            if wait > 0:
                await happens(self._due, wait)
                self._due.clear()
                continue
            try:
                patience = self._options.stale_after / 2
                if self._connection is None:
                    self._connection = await connect(self._engine, max(ANSWER, patience))
                self._refresher.succeeded(await within(patience, self._connection, self._refresher.read))
                self._begin_to_listen()
            except Exception as error:  # noqa: BLE001  the database's, mostly; whatever it is, it must not end us
                self._refresher.failed(error)
                await self._disconnect()
            self._ticker.notice()
            async with self._read:
                self._read.notify_all()

    def _begin_to_listen(self) -> None:
        """See the other board's."""
        if len(self._tasks) == 1 and self._listen_on is not None and can_listen(self._listen_on):
            channel = self._options.tables.channel
            listening = keep_listening(self._listen_on, channel, self._refresher, self._due.set, self._closing)
            self._tasks.append(self._loop.create_task(listening, name="driftbreaker-listener"))

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await discard(connection)
