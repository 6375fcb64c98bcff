"""What every reporter does, for whatever engine: takes reports in, hands them out, counts what became of them."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..waits import CHANCE, back_off
from .counts import ReporterCounts
from .options import Options
from .pending import Pending, Report, Waiting
from .telling import Teller
from .troubles import Troubles
from .writing import Chunk

#: How many breakers one transaction writes: their rows stay locked until it commits.
BREAKERS = 50
#: How long all of them together are waited for, where others hold their rows.
LOCK_WAIT = 1.0
#: How long a flush goes on with what failed before, if there is more of it: the others come next.
SECOND_TRIES = 1.0
RETRY_BASE = 0.2
RETRY_CAP = 5.0
#: Why the driver was stirred since it last took what waits: once for each is enough.
NOT_YET, SOMETHING, FULL = range(3)
#: How many reports a caller sums up where nobody else does: more than it brings, and no more than it can spare.
SHARE = 50
#: For how many bytes of the evidence that it brings a caller sums up one report, whoever else does.
WEIGHT = 1_024


class Flusher:
    """Reports are added from any thread; one driver at a time, which has the connection and the time, flushes them.

    `stir` tells the driver that there is something to flush; `now` is the time in seconds, from wherever it counts.
    """

    def __init__(self, options: Options, stir: Callable[[], None], now: Callable[[], float] = time.monotonic) -> None:
        self._options = options
        self._stir = stir
        self._now = now
        self._closed = False
        self._begin()

    def _begin(self) -> None:
        self._raw: deque[Report] = deque()
        self._folding = threading.Lock()
        self._pending = Pending(self._options.capacity, self._options.keep)
        self._teller = Teller(self._options.keep)
        self._troubles = Troubles()
        self._flush = object()
        self._chunks: deque[Chunk] = deque()
        self._second_tries: deque[Chunk] = deque()
        self._current: Chunk | None = None
        self._under_way = 0
        self._error: BaseException | None = None
        self._cut_off = self._wrote = False
        self._failures = 0
        self._retry_at = 0.0
        self._until = 0.0
        self._due_only = False
        self._flushed = self._in_doubt = self._trips = 0
        self._stirred = NOT_YET

    # What reports ask.

    def add(self, report: Report) -> None:
        """Take one report. Waits for nothing: for no lock, let alone for a database."""
        self._raw.append(report)
        because = FULL if self.is_full else SOMETHING
        if self._stirred < because and not self._closed:
            self._stirred = because
            self._stir()
        # Whoever flushes may be waiting for the database: memory must not grow meanwhile, by reports or by evidence.
        is_late = self._closed or len(self._raw) >= 2 * self._options.batch
        if (is_late or report.weight >= WEIGHT) and self._folding.acquire(blocking=False):
            try:
                self._fold(is_late * SHARE + report.weight // WEIGHT)
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
        """Whether nothing waits, and nothing is being written or was left behind amid that."""
        return not (self._raw or self._pending.reports or self._under_way)

    def delay(self, since: float) -> float:
        """Return for how many seconds not to flush yet what began to come at `since`."""
        now = self._now()
        if self._failures:
            return max(0.0, self._retry_at - now)
        with self._folding:
            resting = self._troubles.resting(now)
            due = len(self._raw) + self._pending.reports - self._pending.reports_of(resting)
            if resting and not due:
                return min(self._troubles.until(key) for key in resting) - now
        return 0.0 if due >= self._options.batch else max(0.0, since + self._options.interval - now)

    @contextmanager
    def flushing(self, *, due_only: bool = False) -> Iterator[None]:
        """Take all that waits, to be handed out in chunks; `due_only` leaves what failed lately for later.

        However this is left, nothing of it stays behind: what was not settled waits again.
        """
        self.begin(due_only=due_only)
        flush = self._flush
        try:
            yield
        finally:
            if flush is self._flush:  # else somebody has begun another: an event loop ended amid this one
                self.settle()

    def begin(self, *, due_only: bool = False) -> None:
        """Begin what `flushing` does."""
        self.settle()
        self._flush = object()
        self._stirred = NOT_YET
        self._error, self._due_only = None, due_only
        self._cut_off = self._wrote = False
        now = self._now()
        self._until = now + self._options.patience
        with self._folding:
            self._fold()
            taken = self._pending.take(now, self._troubles.resting(now) if due_only else ())
            self._in_doubt += self._under_way  # of a chunk that nobody could settle: that was interrupted as well
            self._under_way = sum(each.reports for each in taken)
            self._hand_out(taken)
            self._troubles.forget_but({*self._pending.keys, *(each.key for each in taken)})
        self._tell_dropped()

    def next_chunk(self) -> Chunk | None:
        """Return what to write next; None when all was tried that can be tried now."""
        if not self._chunks and self._second_tries:
            if self._due_only:
                self._until, self._due_only = min(self._until, self._now() + SECOND_TRIES), False
            self._chunks.append(self._second_tries.popleft())
        if self._chunks:
            self._current = self._chunks.popleft()
            return self._current
        self._end()
        return None

    def wrote(self, chunk: Chunk) -> None:
        """Count a chunk that was committed."""
        if not self._settles(chunk):
            return
        self._wrote = True
        with self._folding:
            self._troubles.over(chunk.keys)
            self._under_way -= chunk.reports
            self._flushed += chunk.reports
            self._trips += chunk.trips
        self._teller.flushed(chunk.reports, len(chunk.waiting), chunk.trips)

    def failed(self, chunk: Chunk, error: BaseException) -> None:
        """Keep a chunk for later, unless nobody knows whether it was committed: nothing is written twice."""
        if chunk.committed:  # what failed came after that
            self.wrote(chunk)
            return
        if not self._settles(chunk):
            return
        self._error = error
        everything = chunk.concerns_all(error)
        self._cut_off = self._cut_off or everything
        if chunk.in_doubt(error):
            self._doubt(chunk, error)
        elif everything:
            self._put_back(chunk)
        elif len(chunk.waiting) > 1:
            # One of them may be in the way of the others: each by itself, after all those that nobody is in the way of.
            self._chunks.extend(self._alone(each) for each in chunk.waiting)
        else:
            with self._folding:
                self._troubles.failed(chunk.waiting[0].key, self._now())
            self._put_back(chunk)
        if everything or self._now() >= self._until:
            self._put_back_all()

    @property
    def all_written(self) -> bool:
        """Whether nothing of what the last flush took failed."""
        return self._error is None

    def settle(self) -> None:
        """Settle what a flush took that was left in its midst: a signal's error may be raised anywhere."""
        if self._current is not None:
            self.failed(self._current, InterruptedError("the flush was interrupted"))
        self._put_back_all()

    def stir_again(self) -> None:
        """Tell the driver of the next report, whatever it was told before: it has ended, and must say so."""
        self._stirred = NOT_YET

    def close(self) -> None:
        """Take no reports any more, and give up what waits; all of it is counted as dropped."""
        with self._folding:
            self._closed = True
            self._fold()
        self._tell_dropped()

    def after_fork(self) -> None:
        """Begin anew: what waits is the parent's to write."""
        self._begin()

    def _fold(self, at_most: int | None = None) -> None:
        now = self._now()
        waiting = len(self._raw)
        for _ in range(waiting if at_most is None else min(waiting, at_most)):
            self._pending.add(self._raw.popleft(), now)
        if self._closed:
            self._pending.drop_all("closed")

    def _hand_out(self, taken: list[Waiting]) -> None:
        smooth = [each for each in taken if each.key not in self._troubles]
        # One that keeps no other waiting need not be told how long to: that would be a statement more in each flush.
        alone = len(taken) == 1 and not self._failures
        wait = None if alone else min(LOCK_WAIT, self._options.patience / 2)
        self._chunks.extend(Chunk(smooth[at : at + BREAKERS], wait) for at in range(0, len(smooth), BREAKERS))
        again = sorted((each for each in taken if each.key in self._troubles), key=lambda each: self._due_at(each))
        self._second_tries.extend(self._alone(each) for each in again)

    def _due_at(self, waiting: Waiting) -> float:
        return self._troubles.until(waiting.key)

    def _alone(self, waiting: Waiting) -> Chunk:
        return Chunk([waiting], min(self._troubles.patience(waiting.key), self._options.patience / 2))

    def _doubt(self, chunk: Chunk, error: BaseException) -> None:
        with self._folding:
            self._under_way -= chunk.reports
            self._in_doubt += chunk.reports
        self._teller.in_doubt(chunk.reports, len(chunk.waiting), error)

    def _settles(self, chunk: Chunk) -> bool:
        """Return whether nobody has said before what became of a chunk: a later flush may have found it left behind."""
        if self._current is chunk:
            self._current = None
        settled, chunk.settled = chunk.settled, True
        return not settled

    def _put_back(self, chunk: Chunk) -> None:
        with self._folding:
            self._under_way -= chunk.reports
            self._pending.put_back(chunk.waiting)
            self._fold(0)

    def _put_back_all(self) -> None:
        for chunks in (self._chunks, self._second_tries):
            while chunks:
                self._put_back(chunks.pop())

    def _end(self) -> None:
        self._failures = self._failures + 1 if self._cut_off else 0
        if self._cut_off:
            self._retry_at = self._now() + back_off(self._failures, RETRY_BASE, RETRY_CAP, CHANCE)
        if self._error is not None:
            self._teller.failed(self._error)
        elif self._wrote and not self._troubles:
            self._teller.succeeded()

    def _tell_dropped(self) -> None:
        with self._folding:
            dropped = dict(self._pending.dropped)
        self._teller.dropped(dropped)
