"""LISTEN on PostgreSQL through asyncpg or psycopg's asyncio, and proof that notifications arrive."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ..line import cut_off
from ..refresh.connection import ANSWER, own_engine
from ..refresh.listener import DEAF, PING_EVERY, PONG, RETRY_BASE, RETRY_CAP, DeafError
from ..refresh.refresher import Refresher
from ..waits import CHANCE, back_off
from .connecting import connect, discard, within

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine


def can_listen(engine: AsyncEngine) -> bool:
    """Return whether the engine's database and driver can tell of changes."""
    return engine.dialect.name == "postgresql" and engine.dialect.driver in ("asyncpg", "psycopg")


async def keep_listening(
    engine: AsyncEngine, channel: str, refresher: Refresher, wake: Callable[[], None], closing: asyncio.Event
) -> None:
    """Listen until closing, and let no connection be cut off half made; reconnect for ever."""
    ears = _Ears(engine, channel, refresher, wake, closing)
    while not closing.is_set():
        try:
            await ears.listen()
        except Exception as error:  # noqa: BLE001  whatever ends it, polling goes on, and so do we
            ears.failures += 1
            cause = error.exceptions[0] if isinstance(error, ExceptionGroup) else error
            said = str(cause) if isinstance(cause, DeafError) else f"LISTEN failed: {cause!r}".partition("\n")[0]
            refresher.hears(hearing=False, why=said)
            await happens(closing, back_off(ears.failures, RETRY_BASE, RETRY_CAP, CHANCE))


async def happens(event: asyncio.Event, within: float) -> bool:
    """Wait for an event, so many seconds at most; return whether it happened."""
    try:
        await asyncio.wait_for(event.wait(), within)
    except TimeoutError:
        return False
    return True


class _Ears:
    """One board's listening, over any number of connections."""

    def __init__(
        self,
        engine: AsyncEngine,
        channel: str,
        refresher: Refresher,
        wake: Callable[[], None],
        closing: asyncio.Event,
    ) -> None:
        from sqlalchemy.ext.asyncio import AsyncEngine

        self._engine = AsyncEngine(own_engine(engine.sync_engine))
        self._pings = AsyncEngine(own_engine(engine.sync_engine))
        self._hear = _hear_asyncpg if engine.dialect.driver == "asyncpg" else _hear_psycopg
        self._own_channel = f"driftbreaker_ping_{uuid4().hex}"
        self._channels = (channel, self._own_channel)
        self._refresher = refresher
        self._closing = closing
        self._wake = wake
        self._pong = asyncio.Event()
        self.failures = 0

    async def listen(self) -> None:
        """Listen on one connection until it is lost, or until we are found to be deaf."""
        connection = await connect(self._engine, ANSWER)
        try:
            raw = (await connection.get_raw_connection()).driver_connection
            ready = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                hearing = group.create_task(self._hear(raw, self._channels, self._heard, ready))
                if not await happens(ready, ANSWER):
                    cut_off(raw)
                    raise TimeoutError(f"no answer to LISTEN within {ANSWER:g} s")
                while not self._closing.is_set():
                    await self._prove_hearing()
                    await happens(self._closing, PING_EVERY)
                hearing.cancel()
        finally:
            await discard(connection)

    def _heard(self, channel: str, payload: str) -> None:
        if channel == self._own_channel:
            self._pong.set()
        else:
            self._refresher.hear(payload)
            self._wake()

    async def _prove_hearing(self) -> None:
        self._pong.clear()
        await self._ping()
        if not await happens(self._pong, PONG):
            raise DeafError(DEAF)
        self.failures = 0
        self._refresher.hears(hearing=True)
        # Whatever changed before we listened told nobody here.
        self._refresher.wake()

    async def _ping(self) -> None:
        """Send it on another connection: on ours, a pooler might bring it back with the answer."""
        connection = await connect(self._pings, ANSWER)
        try:
            await within(ANSWER, connection, lambda plain: self._refresher.ping(plain, self._own_channel))
        finally:
            await discard(connection)


Heard = Callable[[str, str], None]


async def _hear_asyncpg(raw: Any, channels: Sequence[str], heard: Heard, ready: asyncio.Event) -> None:
    lost = asyncio.Event()
    raw.add_termination_listener(lambda *_: lost.set())
    for channel in channels:
        await raw.add_listener(channel, lambda _raw, _process, channel, payload: heard(channel, payload))
    ready.set()
    await lost.wait()
    raise ConnectionError("the connection was lost")


async def _hear_psycopg(raw: Any, channels: Sequence[str], heard: Heard, ready: asyncio.Event) -> None:
    from psycopg import sql

    for channel in channels:
        await raw.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
    ready.set()
    async for each in raw.notifies():
        heard(each.channel, each.payload)
