"""A switchboard's own connection: the host's pool may be exhausted, and that must not make anybody blind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, event

from ..line import Line

T = TypeVar("T")

#: How long what is under way may take when it is told to end.
GRACE = 0.2
#: How long we wait for an answer to anything that we ask, before the connection is taken for lost.
ANSWER = 5.0


def own_engine(engine: Engine) -> Engine:
    """Return an engine that connects as the host's does, through a pool of its own, a statement at a time.

    But for asyncpg, which prepares a statement and then runs it: two transactions to a pooler, and maybe two sessions.
    """
    own = Engine(engine.pool.recreate(), engine.dialect, engine.url, hide_parameters=engine.hide_parameters)
    level = "READ COMMITTED" if engine.dialect.driver == "asyncpg" else "AUTOCOMMIT"
    return own.execution_options(**{**engine.get_execution_options(), "isolation_level": level})


class OwnConnection:
    """One connection, opened at its first use and again after each failure.

    One thread at a time uses it; any other may `interrupt` what has taken too long.
    """

    def __init__(self, engine: Engine) -> None:
        self._host = engine
        self._begin()

    def _begin(self) -> None:
        self._engine = own_engine(self._host)
        # First of all listeners: what a driver sends to a new connection may wait for an answer, too.
        event.listen(self._engine.pool, "connect", self._made, insert=True)
        self._connection: Connection | None = None
        self._using = threading.Lock()
        self._line = Line()
        self._busy_since: float | None = None
        self._connecting = False

    def run(self, step: Callable[[Connection], T]) -> T:
        """Run a step; whatever it raises costs the connection."""
        with self._using:
            return self._run(step)

    def _run(self, step: Callable[[Connection], T]) -> T:
        self._busy_since = time.monotonic()
        self._connecting = self._connection is None
        try:
            if self._connection is None:
                self._connection = self._engine.connect()
            self._line.hold(self._connection.connection.driver_connection)
            self._busy_since = time.monotonic()
            self._connecting = False
            return step(self._connection)
        except BaseException:
            self.close()
            raise
        finally:
            self._line.let_go()
            self._busy_since = None

    def _made(self, driver_connection: Any, _record: object) -> None:
        self._line.hold(driver_connection)

    def watch(self, now: float, patience: float) -> None:
        """Interrupt a step that takes longer than `patience` seconds; connecting may take as long as any answer."""
        since = self._busy_since
        if since is not None and now - since > (max(patience, ANSWER) if self._connecting else patience):
            self.interrupt()

    def interrupt(self) -> None:
        """Let the step that is under way fail."""
        self._line.interrupt()

    def close(self) -> None:
        """Close the connection, as far as it still can be."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        # It is lost more often than not: what closing it raises is no news.
        with suppress(Exception):
            connection.invalidate()
        with suppress(Exception):
            connection.close()

    def after_fork(self) -> None:
        """Leave the connection to the process that opened it, untouched."""
        left_behind.append((self._engine, self._connection))
        self._begin()


def end(thread: threading.Thread, interrupt: Callable[[], None], timeout: float) -> None:
    """Wait for a thread that was told to end, at most `timeout` seconds; interrupt whatever it still waits for."""
    deadline = time.monotonic() + timeout
    while thread.is_alive() and (left := deadline - time.monotonic()) > 0:
        thread.join(min(left, GRACE))
        interrupt()


#: What a parent's connections are kept by in its children: to let go of one could end it for the parent.
left_behind: list[Any] = []
