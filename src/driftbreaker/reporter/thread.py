"""The reporter of an `Engine`: flushes in a thread of its own."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from ..checks import check_seconds
from ..errors import InvalidArgumentError
from .background import Background
from .door import ReportingDoor
from .options import ReporterOptions, checked_options
from .sending import Sender

if TYPE_CHECKING:
    from typing_extensions import Unpack


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
    - `capacity`: how many minutes of breakers wait in memory at most, while the database cannot be had, beside as many
      that are being written just then. One holds any number of reports. Beyond it the oldest are dropped, and counted.
      Their evidence takes 64 MiB at most; beyond that reports lose their `details`, which then are ``{"…": "…"}``.
    - `keep`: seconds after which what could not be written is no evidence any more: dropped, and counted.
    - `patience`: seconds after which a flush that hangs is interrupted. Only the driver can give up connecting: set its
      own timeout, for psycopg ``connect_args={"connect_timeout": 5}``.
    - `tables`, `clock`, `notify`: as for `CircuitBreaker`.

    While the database cannot be had it tries again with back-off, and nothing is raised to those who report. While
    somebody holds one breaker's row, that breaker is left alone for some seconds, and the others go on being written.
    A batch whose COMMIT lost its connection is not written again, for it may have been: `counts` tells of it apart.
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
        self._background: Background | None = None
        super().__init__(checked_options(**options), self._wake)
        self._sender = Sender(engine, self._flusher, self._writer, self._options.patience)

    def start(self) -> None:
        """Flush in the background until `close` or the process's end.

        After a fork the child has a thread of its own, and begins with nothing: what waited is the parent's to write.
        Raises InvalidArgumentError for an in-memory SQLite engine, whose one connection a thread of ours must not
        share: call `flush` there.
        """
        if self._sender.in_memory:
            raise InvalidArgumentError(
                "an in-memory database has one connection, which a reporter's thread must not share: call flush()"
            )
        if self._background is None:
            self._background = self._in_background()

    def flush(self) -> bool:
        """Write all that waits now, in this thread; return whether all of it was written. Raises nothing.

        False as well where this thread is amid a flush already: in a listener, or a signal's handler.
        """
        return self._sender.flush()

    def close(self, timeout: float = 10.0) -> None:
        """Flush and stop, waiting at most `timeout` seconds. What is left, and what comes later, is dropped."""
        check_seconds(timeout, "timeout")
        if self._background is None and not (self._sender.in_memory or self._flusher.is_idle):
            # The last flush may hang: only in a thread can it be left to itself.
            with suppress(RuntimeError):  # no more threads: the interpreter is about to exit
                self._background = self._in_background()
        if self._background is not None:
            self._background.close(timeout)
        else:
            self.flush()
        self._flusher.close()
        self._background = None

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

    def _in_background(self) -> Background:
        return Background(self._sender, self._flusher, self.close)
