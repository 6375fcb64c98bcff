"""LISTEN on PostgreSQL through psycopg, in a thread of its own, and proof that notifications arrive."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Engine

from ..waits import CHANCE, back_off
from .connection import ANSWER, OwnConnection, end
from .refresher import Refresher

#: How long our own message may take before we are deaf, and how often we send one.
PONG = 2.0
PING_EVERY = 30.0
RETRY_BASE = 0.2
RETRY_CAP = 30.0
#: How often it looks whether it is to end.
BREATH = 0.5
DEAF = "notifications do not arrive; a pooler in transaction mode loses them"


def can_listen(engine: Engine) -> bool:
    """Return whether the engine's database and driver can tell of changes."""
    return (engine.dialect.name, engine.dialect.driver) == ("postgresql", "psycopg")


class DeafError(Exception):
    """We listen, and do not hear ourselves."""


class Listener:
    """Listens until closed, and calls `read` at each notification; reconnects for ever."""

    def __init__(self, engine: Engine, channel: str, refresher: Refresher, read: Callable[[], None]) -> None:
        self._channel = channel
        self._own_channel = f"driftbreaker_ping_{uuid4().hex}"
        self._refresher = refresher
        self._read = read
        self._line = OwnConnection(engine)
        self._pings = OwnConnection(engine)
        self._asking_since: float | None = None
        self._closing = threading.Event()
        self._failures = 0
        self._thread = threading.Thread(target=self._run, name="driftbreaker-listener", daemon=True)
        self._thread.start()

    def close(self, timeout: float) -> None:
        """End the thread."""
        self._closing.set()
        end(self._thread, self._interrupt, timeout)

    def watch(self, now: float) -> None:
        """Interrupt what has been waiting for an answer too long; waiting for news is another matter."""
        if self._asking_since is not None and now - self._asking_since > ANSWER:
            self._interrupt()

    def _interrupt(self) -> None:
        self._line.interrupt()
        self._pings.interrupt()

    def after_fork(self) -> None:
        """Leave the connection to the parent; a new listener takes over here."""
        self._line.after_fork()
        self._pings.after_fork()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._asking_since = time.monotonic()
            try:
                self._line.run(self._listen)
            except Exception as error:  # noqa: BLE001  whatever ends it, polling goes on, and so do we
                if self._closing.is_set():
                    break
                self._failures += 1
                said = str(error).partition("\n")[0] if isinstance(error, DeafError) else f"LISTEN failed: {error!r}"
                self._refresher.hears(hearing=False, why=said)
                self._asking_since = None
                self._closing.wait(back_off(self._failures, RETRY_BASE, RETRY_CAP, CHANCE))
        self._line.close()

    def _listen(self, connection: Connection) -> None:
        from psycopg import sql

        driver: Any = connection.connection.driver_connection
        for channel in (self._channel, self._own_channel):
            driver.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
        while not self._closing.is_set():
            self._asking_since = time.monotonic()
            self._ping()
            self._asking_since = None
            self._hear(driver, PONG, until_pong=True)
            self._failures = 0
            self._refresher.hears(hearing=True)
            # Whatever changed before we listened told nobody here.
            self._refresher.wake()
            self._hear(driver, PING_EVERY, until_pong=False)

    def _ping(self) -> None:
        """Send it on another connection: on ours, a pooler might bring it back with the answer."""
        self._pings.run(lambda connection: self._refresher.ping(connection, self._own_channel))
        self._pings.close()

    def _hear(self, driver: Any, seconds: float, *, until_pong: bool) -> None:
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0 and not self._closing.is_set():
            for heard in driver.notifies(timeout=min(left, BREATH)):
                if heard.channel != self._own_channel:
                    self._refresher.hear(heard.payload)
                    # Here and now: to wake the thread that polls would take as long again.
                    self._read()
                elif until_pong:
                    return
        if until_pong and not self._closing.is_set():
            raise DeafError(DEAF)
