"""Connections that are never cut off half made: nobody would close what they had become by then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from ..line import cut_off
from ..refresh.connection import GRACE

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

T = TypeVar("T")

#: What goes on by itself, held so that it is not collected meanwhile.
_left_alone: set[asyncio.Task[None]] = set()


async def connect(engine: AsyncEngine, within: float) -> AsyncConnection:
    """Return a connection; raise TimeoutError when there is none within so many seconds.

    One that comes later, or to a task that was cancelled, is closed when it comes.
    """
    connecting = asyncio.create_task(_open(engine))
    try:
        done, _ = await asyncio.wait([connecting], timeout=within)
    except asyncio.CancelledError:
        _close_later(connecting)
        raise
    if done:
        return connecting.result()
    _close_later(connecting)
    raise TimeoutError(f"no connection within {within:g} s")


async def within(seconds: float, connection: AsyncConnection, step: Callable[[Connection], T]) -> T:
    """Run a step in a transaction of its own, on a connection which is cut off when that takes longer.

    A step that is merely cancelled would go on to wait: psycopg asks the server to stop, and for its answer.
    """
    raw = (await connection.get_raw_connection()).driver_connection
    cutting = asyncio.get_running_loop().call_later(seconds, cut_off, raw)
    try:
        async with asyncio.timeout(seconds + GRACE):
            answer = await connection.run_sync(step)
            await connection.commit()
            return answer
    finally:
        cutting.cancel()


async def discard(connection: AsyncConnection) -> None:
    """Close a connection for good, as far as it still can be: it is lost more often than not.

    Goes on by itself where the task that wanted it is cancelled.
    """
    await asyncio.shield(_alone(_discard(connection)))


async def all_discarded(within: float) -> None:
    """Wait until nothing of this event loop goes on by itself any more, so many seconds at most."""
    loop = asyncio.get_running_loop()
    going_on = [task for task in _left_alone if task.get_loop() is loop]
    if going_on:
        await asyncio.wait(going_on, timeout=within)


async def _discard(connection: AsyncConnection) -> None:
    with suppress(Exception):
        await connection.invalidate()
    with suppress(Exception):
        await connection.close()


async def _open(engine: AsyncEngine) -> AsyncConnection:
    return await engine.connect()


def _close_later(connecting: asyncio.Task[AsyncConnection]) -> None:
    async def close() -> None:
        with suppress(Exception):
            await _discard(await connecting)

    _alone(close())


def _alone(work: Coroutine[object, object, None]) -> asyncio.Task[None]:
    task = asyncio.create_task(work)
    _left_alone.add(task)
    task.add_done_callback(_left_alone.discard)
    return task
