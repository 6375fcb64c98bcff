"""What every reporter does, for whatever engine: takes reports in, hands them out, counts what became of them."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable

from ..hooks import Event, emit
from ..model import Key
from ..waits import back_off
from .counts import ReporterCounts
from .options import Options
from .pending import Pending, Report
from .writing import Chunk

_logger = logging.getLogger("driftbreaker")
#: How many breakers one transaction writes: their rows stay locked until it commits.
BREAKERS = 50
RETRY_BASE = 0.2
RETRY_CAP = 5.0
#: Why the driver was stirred since it last took what waits: once for each is enough.
NOT_YET, SOMETHING, FULL = range(3)


class Flusher:
    """Reports are added from any thread; one driver at a time, which has the connection and the time, flushes them."""

    def __init__(self, options: Options, stir: Callable[[], None]) -> None:
        self._options = options
        self._stir = stir
        self._begin()

    def _begin(self) -> None:
        self._raw: deque[Report] = deque()
        self._folding = threading.Lock()
        self._pending = Pending(self._options.capacity, self._options.keep)
        self._chunks: deque[Chunk] = deque()
        self._under_way = 0
        self._troubled: set[Key] = set()
        self._error: BaseException | None = None
        self._failures = 0
        self._retry_at = 0.0
        self._until = 0.0
        self._flushed = self._in_doubt = self._trips = self._told = 0
        self._closed = False
        self._stirred = NOT_YET

    # What reports ask.

    def add(self, report: Report) -> None:
        """Take one report. Waits for nothing: for no lock, let alone for a database."""
        self._raw.append(report)
        because = FULL if self.is_full else SOMETHING
        if self._stirred < because:
            self._stirred = because
            self._stir()
        # Whoever flushes may be waiting for the database: memory must not grow meanwhile.
        if (self._closed or len(self._raw) >= 2 * self._options.batch) and self._folding.acquire(blocking=False):
            try:
                self._fold()
            finally:
                self._folding.release()

    def counts(self) -> ReporterCounts:
        """Return what became of all reports so far."""
        with self._folding:
            self._fold()
            waiting = self._pending.reports + self._under_way
            dropped = dict(self._pending.dropped)
            settled = self._flushed + self._in_doubt + sum(dropped.values())
            return ReporterCounts(
                reported=settled + waiting,
                flushed=self._flushed,
                dropped=sum(dropped.values()),
                in_doubt=self._in_doubt,
                waiting=waiting,
                trips=self._trips,
                why_dropped=dropped,
            )

    # What drivers ask.

    @property
    def is_full(self) -> bool:
        """Whether there is enough to flush before it is time."""
        return len(self._raw) + self._pending.reports >= self._options.batch

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits."""
        return not (self._raw or self._pending.reports)

    def delay(self, since: float) -> float:
        """Return for how many seconds not to flush yet what began to come at `since`."""
        now = time.monotonic()
        if self._failures:
            return max(0.0, self._retry_at - now)
        return 0.0 if self.is_full else max(0.0, since + self._options.interval - now)

    def begin(self) -> None:
        """Take all that waits, to be handed out in chunks: what made trouble last, each by itself."""
        self._stirred = NOT_YET
        self._error = None
        now = time.monotonic()
        self._until = now + self._options.patience
        with self._folding:
            self._fold()
            taken = self._pending.take(now)
            self._under_way = sum(each.reports for each in taken)
        self._tell_dropped()
        smooth = [each for each in taken if each.key not in self._troubled]
        self._chunks.extend(Chunk(smooth[at : at + BREAKERS]) for at in range(0, len(smooth), BREAKERS))
        self._chunks.extend(Chunk([each], warily=True) for each in taken if each.key in self._troubled)

    def next_chunk(self) -> Chunk | None:
        """Return what to write next; None when all was tried that can be tried now."""
        if self._chunks:
            return self._chunks.popleft()
        self._end()
        return None

    def wrote(self, chunk: Chunk) -> None:
        """Count a chunk that was committed."""
        self._troubled.difference_update(each.key for each in chunk.waiting)
        with self._folding:
            self._under_way -= chunk.reports
            self._flushed += chunk.reports
            self._trips += chunk.trips
        _tell("reporter_flushed", reports=chunk.reports, breakers=len(chunk.waiting), trips=chunk.trips)

    def failed(self, chunk: Chunk, error: BaseException) -> None:
        """Keep a chunk for later, unless nobody knows whether it was committed: nothing is written twice."""
        self._error = error
        self._troubled.update(each.key for each in chunk.waiting)
        if chunk.in_doubt(error):
            with self._folding:
                self._under_way -= chunk.reports
                self._in_doubt += chunk.reports
            _tell("reporter_in_doubt", reports=chunk.reports, breakers=len(chunk.waiting), error=_said(error))
        elif len(chunk.waiting) > 1 and not chunk.concerns_all(error):
            # One of them may be in the way of the others: each by itself.
            self._chunks.extendleft(Chunk([each], warily=True) for each in reversed(chunk.waiting))
        else:
            self._put_back(chunk)
        if chunk.concerns_all(error) or time.monotonic() >= self._until:
            while self._chunks:
                self._put_back(self._chunks.pop())

    @property
    def all_written(self) -> bool:
        """Whether nothing of what the last flush took failed."""
        return self._error is None

    def close(self) -> None:
        """Take no reports any more, and give up what waits; all of it is counted as dropped."""
        with self._folding:
            self._closed = True
            self._fold()
            self._pending.drop_all("closed")
        self._tell_dropped()

    def after_fork(self) -> None:
        """Begin anew: what waits is the parent's to write."""
        self._begin()

    def _fold(self) -> None:
        now = time.monotonic()
        for _ in range(len(self._raw)):
            self._pending.add(self._raw.popleft(), now)
        if self._closed:
            self._pending.drop_all("closed")

    def _put_back(self, chunk: Chunk) -> None:
        with self._folding:
            self._under_way -= chunk.reports
            self._pending.put_back(chunk.waiting)

    def _end(self) -> None:
        if self._error is None:
            if self._failures:
                self._failures = 0
                _logger.warning("driftbreaker: the reporter writes to the database again")
                _tell("reporter_restored")
            return
        self._failures += 1
        self._retry_at = time.monotonic() + back_off(self._failures, RETRY_BASE, RETRY_CAP, random.random)
        _logger.debug("driftbreaker: the reporter could not write", exc_info=self._error)
        if self._failures == 1:
            notes = "".join(f" {note}" for note in getattr(self._error, "__notes__", ()))
            _logger.warning(
                "driftbreaker: the reporter cannot write and goes on trying: %s.%s Reports wait in memory for %g s",
                _said(self._error),
                notes,
                self._options.keep,
            )
            _tell("reporter_failing", error=_said(self._error))

    def _tell_dropped(self) -> None:
        dropped = dict(self._pending.dropped)
        news = sum(dropped.values()) - self._told
        if news:
            self._told += news
            _logger.warning("driftbreaker: the reporter dropped %d reports: %s", news, _reasons(dropped))
            _tell("reporter_dropped", reports=news, why=dropped)


def _reasons(dropped: dict[str, int]) -> str:
    return "in all " + ", ".join(f"{count} {why}" for why, count in sorted(dropped.items()))


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"


def _tell(kind: str, **facts: object) -> None:
    emit([Event(kind=kind, name="", scope="", facts=facts)])
