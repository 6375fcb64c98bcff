"""Sends what waits to the database, over one connection of the host's engine at a time, in whoever's thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import Engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import SingletonThreadPool, StaticPool

from ..forks import tell_of_forks
from ..line import Line
from .flusher import Flusher
from .watch import Watch
from .writing import Chunk, Writer

FORK_WAITS = 5.0


class Sender:
    """Flushes in the thread that calls it, one at a time; any other thread may `interrupt` it.

    `in_background`: whether there are threads of ours, of which one watches.
    """

    def __init__(self, engine: Engine, flusher: Flusher, writer: Writer, patience: float) -> None:
        self._engine = engine
        self._flusher = flusher
        self._writer = writer
        self._patience = patience
        self.in_memory = isinstance(engine.pool, StaticPool | SingletonThreadPool)
        self.in_background = False
        self._used = False
        self._begin()
        tell_of_forks(self)

    def _begin(self) -> None:
        self._line = Line()
        self._busy_since: float | None = None
        self._turn = _Turn()
        self._forking: set[int] = set()

    def flush(self, *, due_only: bool = False) -> bool:
        """Write all that waits, or but for what failed lately; return whether all of that was written.

        False as well where this thread is amid a flush already.
        """
        if not self._turn.take():
            return False
        try:
            with self._watched():
                return self._write_all(due_only=due_only)
        finally:
            self._turn.give_back()

    def watch(self, now: float) -> None:
        """Interrupt a flush that has hung for too long."""
        since = self._busy_since
        if since is not None and now - since > self._patience:
            self.interrupt()

    def interrupt(self) -> None:
        """Let the flush that is under way fail."""
        self._line.interrupt()

    def _write_all(self, *, due_only: bool) -> bool:
        flusher = self._flusher
        with flusher.flushing(due_only=due_only):
            while (chunk := flusher.next_chunk()) is not None:
                try:
                    self._write(chunk)
                except BaseException as error:  # BaseException: a time limit's signal must not lose what was taken out
                    flusher.failed(chunk, error)
                    if not isinstance(error, Exception):
                        raise
                else:
                    flusher.wrote(chunk)
            return flusher.all_written

    def _write(self, chunk: Chunk) -> None:
        self._used = True
        try:
            with Session(self._engine) as session:
                with session.begin():
                    self._line.hold(session.connection().connection.driver_connection)
                    self._busy_since = time.monotonic()
                    self._writer.write(session, chunk)
                chunk.committed = True
        finally:
            self._busy_since = None
            self._line.let_go()

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Have somebody look whether a flush hangs, where nobody does already and somebody can be had."""
        watch = None
        if not (self.in_background or self.in_memory or self._flusher.is_idle):
            with suppress(RuntimeError):  # no more threads
                watch = Watch(self.watch)
        try:
            yield
        finally:
            if watch is not None:
                watch.end()

    def before_fork(self) -> None:
        """Wait for the flush that is under way: half a transaction must not be copied into a child."""
        if self._turn.take(FORK_WAITS):
            self._forking.add(threading.get_ident())

    def after_fork_in_parent(self) -> None:
        """Go on."""
        if threading.get_ident() in self._forking:
            self._forking.discard(threading.get_ident())
            self._turn.give_back()

    def after_fork_in_child(self) -> None:
        """What waits is the parent's to write, and so are the connections."""
        self._begin()
        self._flusher.after_fork()
        if self.in_background or self._used:  # by hand, too, connections of ours were left in the pool
            self._engine.dispose(close=False)


class _Turn:
    """Whose turn it is to flush: a lock that its own holder does not wait for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holder: int | None = None

    def take(self, seconds: float = -1) -> bool:
        """Return whether it is this thread's turn from now on, waiting for it as long as told."""
        if self._holder == threading.get_ident() or not self._lock.acquire(timeout=seconds):
            return False
        self._holder = threading.get_ident()
        return True

    def give_back(self) -> None:
        """Let it be somebody else's."""
        self._holder = None
        self._lock.release()
