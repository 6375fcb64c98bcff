"""A few threads of our own, made when they are needed and gone when they are not.

Daemons, for a candidate that hangs must not hang the exit as well; and no executor of the standard library, whose
threads are joined there.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

from ..checks import check_seconds
from .contained import OwnThread
from .forked import BeginsAgain
from .jobs import Job

_logger = logging.getLogger("driftbreaker")
#: How much work may wait for a thread.
BACKLOG = 256
#: After how many seconds without work a thread ends.
IDLE = 5.0


class Pool(BeginsAgain):
    """Threads for one shadow: at most `size` that work, and as many again in the place of such as hang.

    `broke`: told of each comparison that broke in one of them.
    """

    def __init__(self, name: str, size: int, budget: float, broke: Callable[[], object]) -> None:
        self._name = name
        self._broke = broke
        self._budget = budget
        self._size = size
        self._closed = False
        super().__init__()

    def begin_again(self) -> None:
        """Have no threads and no work."""
        # Taken again by the thread that has it, where a finalizer or a signal handler of the host's calls in between.
        self._lock = threading.RLock()
        self._work = threading.Condition(self._lock)
        self._quiet = threading.Condition(self._lock)
        self._watch = threading.Condition(self._lock)
        self._queue: deque[Job] = deque()
        # What is known of late ones, and no worker is left to hand on: that is the watcher's.
        self._news: list[Job] = []
        self._running: dict[Job, threading.Thread] = {}
        self._threads: set[threading.Thread] = set()
        self._watcher: threading.Thread | None = None
        self._idle = self._lost = 0
        self._dozes = False

    # For those who have work.

    def submit(self, job: Job) -> bool:
        """Take a job, soon to be begun; return False where there is no room for it."""
        with self._lock:
            if self._closed or len(self._queue) >= BACKLOG or not self._has_hands():
                return False
            self._queue.append(job)
            self._work.notify()
            if job.budget is not None:
                self._wake_watcher()
            return True

    def lose(self, job: Job) -> None:
        """Count on a job no more: nobody waits for it, or it takes too long."""
        with self._lock:
            if job in self._queue:
                self._queue.remove(job)
            elif job in self._running and not job.lost:
                self._lose(job)

    @property
    def has_threads(self) -> bool:
        """Whether there is anything to wait for."""
        return bool(self._threads or self._watcher)

    def drain(self, timeout: float) -> bool:
        """Wait until nothing is under way but what hangs; return whether it came to that."""
        end = time.monotonic() + check_seconds(timeout, "timeout", 0.0)
        with self._lock:
            while self._queue or self._news or any(not job.lost for job in self._running):
                left = end - time.monotonic()
                if left <= 0:
                    return False
                self._quiet.wait(left)
            return True

    def close(self, timeout: float) -> None:
        """Take no more work, finish what is under way, and end the threads, within `timeout` seconds."""
        end = time.monotonic() + check_seconds(timeout, "timeout", 0.0)
        self._closed = True
        self.drain(timeout)
        with self._lock:
            dropped = self._drop_all()
            waited_for = self._threads - {thread for job, thread in self._running.items() if job.lost}
            self._work.notify_all()
            self._watch.notify_all()
        for job in dropped:
            job.dropped()
        for thread in (*waited_for, *filter(None, [self._watcher])):
            if thread is not threading.current_thread():
                thread.join(max(0.0, end - time.monotonic()))

    # Threads. All with the lock held, but for what runs in them.

    def _has_hands(self) -> bool:
        """Return whether somebody will take one more job; start a thread where that is due."""
        working = len(self._threads) - self._lost
        if self._idle <= len(self._queue) and working < self._size and len(self._threads) < 2 * self._size:
            working += self._hire()
        return working > 0

    def _hire(self) -> bool:
        thread = self._started(self._serve, str(len(self._threads)))
        if thread is not None:
            self._threads.add(thread)
        return thread is not None

    def _started(self, target: Callable[[], None], what: str) -> threading.Thread | None:
        name = f"driftbreaker-shadow-{self._name}-{what}"
        thread = OwnThread(target=target, name=name, daemon=True)
        try:
            thread.start()
        except (RuntimeError, MemoryError):  # no more threads are to be had, or the interpreter ends
            return None
        return thread

    def _wake_watcher(self) -> None:
        if self._watcher is None:
            self._watcher = self._started(self._watch_over, "watcher")
        elif self._dozes:
            self._watch.notify()

    def _serve(self) -> None:
        while True:
            with self._lock:
                job = self._next()
                if job is None:
                    self._threads.discard(threading.current_thread())
                    return
                job.begin()
                self._running[job] = threading.current_thread()
            self._run(job)
            with self._lock:
                self._end(job)
            del job

    def _run(self, job: Job) -> None:
        try:
            job.run()
        except BaseException:
            self._broke()
            _logger.exception("driftbreaker: shadow %r: a comparison broke", self._name)

    def _next(self) -> Job | None:
        """Return the next job, once there is one; None where this thread is not needed any more."""
        end = time.monotonic() + IDLE
        while not self._queue:
            left = end - time.monotonic()
            if self._closed or left <= 0 or len(self._threads) - self._lost > self._size:
                return None
            self._idle += 1
            try:
                self._work.wait(left)
            finally:
                self._idle -= 1
        return self._queue.popleft()

    def _end(self, job: Job) -> None:
        self._running.pop(job, None)
        self._lost -= job.lost
        if not self._queue:
            self._quiet.notify_all()

    def _lose(self, job: Job) -> None:
        job.lost = True
        job.deadline = None
        self._lost += 1
        if self._queue and not self._has_hands():
            for left in self._drop_all():  # nobody would ever come for it
                left.dropped()
        self._quiet.notify_all()

    def _drop_all(self) -> list[Job]:
        """Empty the queue; return what will never run."""
        queued = [*self._queue]
        self._queue.clear()
        self._news += (job for job in queued if job.is_news)
        self._watch.notify_all()
        return [job for job in queued if not job.is_news]

    # The watcher: it finds out what is late.

    def _watch_over(self) -> None:
        while True:
            with self._lock:
                self._find_late(time.monotonic())
                news = [*self._news]
                if not news and not self._rest():
                    self._watcher = None
                    return
            for job in news:
                self._run(job)
            with self._lock:
                del self._news[: len(news)]
                self._quiet.notify_all()

    def _find_late(self, now: float) -> None:
        """Lose what is late, all of it, and only then see who is left to hand on the news: some may hang together."""
        news = []
        for job in [job for job in self._running if job.deadline is not None and job.deadline <= now]:
            if job.claim():
                self._lose(job)
                news.append(job.late())
            elif job.handing_on:
                self._lose(job)
            else:  # it was done in time: what judges it has as long again
                job.handing_on = True
                job.deadline = now + self._budget
        if news and self._has_hands():
            self._queue.extendleft(reversed(news))
            self._work.notify(len(news))
        else:
            self._news += news

    def _rest(self) -> bool:
        """Wait until something may be late; return False where nothing came for long."""
        now = time.monotonic()
        deadlines = [job.deadline for job in self._running if job.deadline is not None]
        if deadlines or self._queue:
            # What begins meanwhile has its whole budget before it: nobody has to wake this thread.
            self._watch.wait(max(0.0, min([now + self._budget, *deadlines]) - now))
            return True
        if self._closed:
            return False
        self._dozes = True
        woken = self._watch.wait(IDLE)
        self._dozes = False
        return woken
