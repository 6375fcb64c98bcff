"""The reporter of an `Engine`: flushes in a thread of its own."""

from __future__ import annotations

import atexit
import logging
import threading
import time
from typing import TYPE_CHECKING

from sqlalchemy import Engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import SingletonThreadPool, StaticPool

from ..checks import check_seconds
from ..errors import InvalidArgumentError
from ..forks import tell_of_forks
from ..line import Line
from .door import ReportingDoor
from .flusher import Flusher
from .options import ReporterOptions, checked_options
from .writing import Chunk

if TYPE_CHECKING:
    from typing_extensions import Unpack

_logger = logging.getLogger("driftbreaker")
#: How long the interpreter's exit waits for what was reported last.
AT_EXIT = 2.0
FORK_WAITS = 5.0
WATCH_EVERY = 0.5
GRACE = 0.5


class Reporter(ReportingDoor):
    """Reports drift off the request path: a call returns at once, and batches are written beside it.

        with Reporter(engine) as reporter:
            reporter.report("pricing", score, generation=handle.generation)

    The independent door: what is reported is written in short transactions of the reporter's own, whatever becomes of
    the caller's. Verdicts of one process count in the order of their calls, folded into one statement per breaker and
    flush, which comes to the same as if each had been written by itself.

    - `engine`: the host's own; one connection of its pool is used at a time.
    - `settings`: by name; names without any are judged by the defaults.
    - `interval`: seconds between the first report that waits and the flush.
    - `batch`: reports after which it is flushed sooner.
    - `capacity`: how many minutes of breakers wait in memory at most, while the database cannot be had. One holds any
      number of reports. Beyond it the oldest are dropped, and counted.
    - `keep`: seconds after which what could not be written is no evidence any more: dropped, and counted.
    - `patience`: seconds after which a flush that hangs is interrupted.
    - `tables`, `clock`, `notify`: as for `CircuitBreaker`.

    While the database cannot be had it tries again with back-off, and nothing is raised to those who report. A batch
    whose COMMIT lost its connection is not written again, for it may have been written: `counts` tells of it apart.
    Listeners (`listen`) hear of ``reporter_flushed``, ``reporter_dropped``, ``reporter_in_doubt``,
    ``reporter_failing`` and ``reporter_restored``, and of trips as always. Making one touches no database. Raises
    InvalidArgumentError for what cannot be.
    """

    def __init__(self, engine: Engine, **options: Unpack[ReporterOptions]) -> None:
        if not isinstance(engine, Engine):
            raise InvalidArgumentError(
                f"engine must be a sqlalchemy Engine, got {type(engine).__name__}: "
                "an AsyncEngine has driftbreaker.AsyncReporter"
            )
        self._engine = engine
        self._line = Line()
        self._busy_since: float | None = None
        self._flushing = threading.Lock()
        self._background: _Background | None = None
        super().__init__(checked_options(**options), self._wake)
        tell_of_forks(self)

    def start(self) -> None:
        """Flush in the background until `close` or the process's end.

        After a fork the child has a thread of its own, and begins with nothing: what waited is the parent's to write.
        Raises InvalidArgumentError for an in-memory SQLite engine, whose one connection a thread of ours must not
        share: call `flush` there.
        """
        if isinstance(self._engine.pool, StaticPool | SingletonThreadPool):
            raise InvalidArgumentError(
                "an in-memory database has one connection, which a reporter's thread must not share: call flush()"
            )
        if self._background is None:
            self._background = _Background(self, self._flusher)

    def flush(self) -> bool:
        """Write all that waits now, in this thread; return whether all of it was written. Raises nothing."""
        with self._flushing:
            return self._flush()

    def close(self, timeout: float = 10.0) -> None:
        """Flush and stop, waiting at most `timeout` seconds. What is left, and what comes later, is dropped."""
        check_seconds(timeout, "timeout")
        background, self._background = self._background, None
        if background is not None:
            background.close(timeout)
        else:
            self.flush()
        self._flusher.close()

    def __enter__(self) -> Reporter:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _wake(self) -> None:
        if self._background is not None:
            self._background.wake()
        else:
            self._warn_of_waiting()

    def _write(self, chunk: Chunk) -> None:
        try:
            with Session(self._engine) as session, session.begin():
                self._line.hold(session.connection().connection.driver_connection)
                self._busy_since = time.monotonic()
                self._writer.write(session, chunk)
        finally:
            self._busy_since = None
            self._line.let_go()

    def _flush(self) -> bool:
        flusher = self._flusher
        flusher.begin()
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

    def watch(self, now: float) -> None:
        """Interrupt a flush that has hung for too long."""
        since = self._busy_since
        if since is not None and now - since > self._options.patience:
            self._line.interrupt()

    def interrupt(self) -> None:
        """Let the flush that is under way fail."""
        self._line.interrupt()

    def before_fork(self) -> None:
        """Wait for the flush that is under way: half a transaction must not be copied into a child."""
        self._held = self._flushing.acquire(timeout=FORK_WAITS)

    def after_fork_in_parent(self) -> None:
        """Go on."""
        if self._held:
            self._flushing.release()

    def after_fork_in_child(self) -> None:
        """What waits is the parent's to write, and so are the connections."""
        self._line = Line()
        self._flushing = threading.Lock()
        self._flusher.after_fork()
        if self._background is not None:
            self._engine.dispose(close=False)
            self._background.after_fork()


class _Background:
    """The thread that flushes, and the one that watches over it."""

    def __init__(self, reporter: Reporter, flusher: Flusher) -> None:
        self._reporter = reporter
        self._flusher = flusher
        self._closing = False
        self._forget()
        self._start()
        if not flusher.is_idle:
            self._due.set()
        atexit.register(self._at_exit)

    def wake(self) -> None:
        """Flush when it is time."""
        if self._thread is None and not self._closing:
            with self._starting:
                if self._thread is None:
                    self._start()
        self._due.set()

    def close(self, timeout: float) -> None:
        """Flush once more and end, within `timeout` seconds."""
        self._closing = True
        atexit.unregister(self._at_exit)
        self._due.set()
        self._ended.set()
        if self._thread is None:
            return
        self._thread.join(max(timeout - GRACE, timeout / 2))
        if self._thread.is_alive():
            self._reporter.interrupt()
            self._thread.join(min(GRACE, timeout / 2))
        if self._thread.is_alive():
            _logger.warning("driftbreaker: the reporter's last flush did not end within %g s", timeout)

    def after_fork(self) -> None:
        """The threads are not there; the first report starts them."""
        self._forget()

    def _forget(self) -> None:
        self._starting = threading.Lock()
        self._due = threading.Event()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def _start(self) -> None:
        threading.Thread(target=self._keep_watch, name="driftbreaker-reporter-watch", daemon=True).start()
        self._thread = threading.Thread(target=self._serve, name="driftbreaker-reporter", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while not self._closing:
            self._due.wait()
            self._wait_for_more(time.monotonic())
            try:
                self._reporter.flush()
            except Exception:
                # Nothing may end this thread: reports would wait for ever.
                _logger.exception("driftbreaker: a flush of the reporter failed")
            if not self._flusher.is_idle:
                self._due.set()

    def _wait_for_more(self, since: float) -> None:
        self._due.clear()
        while not self._closing and (delay := self._flusher.delay(since)) > 0:
            self._due.wait(delay)
            self._due.clear()

    def _keep_watch(self) -> None:
        while not self._ended.wait(WATCH_EVERY):
            self._reporter.watch(time.monotonic())

    def _at_exit(self) -> None:
        self._reporter.close(AT_EXIT)
