"""The relay of an `AsyncEngine`: steps by one hop each, sending natively, on the host's own event loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import Engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

from ..alerts import Channel
from ..checks import check_seconds, looks
from ..errors import InvalidArgumentError
from ..hooks import Event, listen
from ..relay.options import Pass, RelayOptions, announces_work, checked_options
from ..relay.pump import Pump

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine
    from typing_extensions import Unpack

T = TypeVar("T")

_logger = logging.getLogger("driftbreaker")


class _Database:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def run(self, step: Callable[[Session], T]) -> T:
        from sqlalchemy.ext.asyncio import AsyncSession

        async with AsyncSession(self._engine) as session, session.begin():
            return await session.run_sync(step)


class AsyncRelay:
    """`Relay` for an ``AsyncEngine``: the same options, promises and errors; nothing blocks the event loop."""

    def __init__(self, engine: AsyncEngine, channels: Sequence[Channel], **options: Unpack[RelayOptions]) -> None:
        # By duck: importing SQLAlchemy's asyncio would need greenlet even to say what is wrong.
        if not looks(lambda: isinstance(engine.sync_engine, Engine)):
            raise InvalidArgumentError(f"engine must be a sqlalchemy AsyncEngine, got {type(engine).__name__}")
        self._engine = engine
        self._options = checked_options(channels, **options)
        self._task: asyncio.Task[None] | None = None
        self._pump: Pump | None = None

    async def run_once(self) -> Pass:
        """See `Relay.run_once`. Connections to receivers are kept until `close`."""
        return await self._new_pump().one_pass()

    async def run(self) -> None:
        """Relay until cancelled, or until `close`."""
        self._pump = pump = self._new_pump()
        loop = asyncio.get_running_loop()

        def hear(event: Event) -> None:
            # Commits happen in any thread; this only sets a flag here.
            if announces_work(event):
                _call_soon(loop, pump.wake)

        stop_listening = listen(hear)
        try:
            await pump.forever()
        finally:
            stop_listening()

    def start(self) -> None:
        """Relay in a task of the running event loop, woken by this process's commits, until `close`.

        Raises InvalidArgumentError for an in-memory SQLite engine, whose one connection a task of ours must not share:
        await `run_once` there.
        """
        if isinstance(self._engine.pool, StaticPool):
            raise InvalidArgumentError(
                "an in-memory database has one connection, which a background relay must not share: await run_once()"
            )
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self.run(), name="driftbreaker-relay")

    async def close(self, timeout: float = 10.0) -> None:  # noqa: ASYNC109  the same argument as the other relay's
        """Stop after one last pass, waiting for it at most `timeout` seconds. What is left waits in the outbox."""
        check_seconds(timeout, "timeout")
        task, self._task = self._task, None
        if task is None:
            await self._new_pump().close()
            return
        await asyncio.sleep(0)  # a task that was only just made has no pump yet
        if self._pump is not None:
            self._pump.stop()
        done, _ = await asyncio.wait([task], timeout=timeout)
        if not done:
            _logger.warning("driftbreaker: the relay did not end within %g s; what is left waits", timeout)
            task.cancel()
            await asyncio.wait([task])
        if not task.cancelled():
            task.result()

    async def __aenter__(self) -> AsyncRelay:
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _new_pump(self) -> Pump:
        return Pump(_Database(self._engine), self._options)


def _call_soon(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    try:
        loop.call_soon_threadsafe(call)
    except RuntimeError:  # the host's loop has just ended
        return
