"""Work for a thread of ours: whoever is first, the worker that did it or the one that waited, has the word."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable

from .comparison import Answer, OutOfTimeError

#: How many seconds a thread may take to hand an answer over that it has.
HANDING_OVER = 1.0
Then = Callable[[Answer], object]


class Job:
    """Runs something once in a copy of its maker's context, and hands on one answer: its own, or that it is late.

    - `work`: what is to be done. `then`: is handed the answer, in the worker's thread.
    - `budget`: seconds after which the pool's watcher hands on that it is late; None where somebody waits himself.
    - `dropped`: called instead of all that where it never ran.
    """

    __slots__ = (
        "_claim",
        "_context",
        "_then",
        "_work",
        "begun",
        "budget",
        "deadline",
        "dropped",
        "handing_on",
        "is_news",
        "lost",
    )

    def __init__(
        self, work: Callable[[], Answer], then: Then, budget: float | None, dropped: Callable[[], object]
    ) -> None:
        self._work = work
        self._then = then
        self._context = contextvars.copy_context()
        self._claim = threading.Lock()
        self.budget = budget
        self.dropped = dropped
        self.deadline: float | None = None
        self.begun = False
        self.lost = False
        self.handing_on = False
        self.is_news = False

    def claim(self) -> bool:
        """Take the word; return whether nobody had it."""
        return self._claim.acquire(blocking=False)

    def begin(self) -> None:
        """Start the clock."""
        self.begun = True
        if self.budget is not None:
            self.deadline = time.monotonic() + self.budget

    def run(self) -> None:
        """Do the work and hand on the answer, unless another had the word."""
        answer = self._context.run(self._work)
        if self.claim():
            self._context.run(self._then, answer)

    def late(self) -> Job:
        """Return the news that this was late: the work of handing it on, which is never dropped."""
        answer = Answer(None, OutOfTimeError(f"took longer than {self.budget:g} s"), self.budget or 0.0)
        late = Job(lambda: answer, self._then, self.budget, self.dropped)
        late._context = self._context.copy()
        late.is_news = True
        return late


class Waiting:
    """Somebody's wait for a job that is handed to a pool now."""

    __slots__ = ("_answer", "_began", "_ready", "job")

    def __init__(self, work: Callable[[], Answer]) -> None:
        self._began = time.perf_counter()
        self._answer: Answer | None = None
        self._ready = threading.Lock()
        self._ready.acquire()
        self.job = Job(work, self._take, None, lambda: None)

    def _take(self, answer: Answer) -> None:
        self._answer = answer
        self._ready.release()

    def wait(self, budget: float, lose: Callable[[Job], None]) -> Answer | None:
        """Return the answer, or that it was late; None where it never began.

        `budget`: the seconds that it has, what passed before this included. `lose`: told of a job that nobody waits for
        any more.
        """
        left = budget - (time.perf_counter() - self._began)
        if not self._ready.acquire(timeout=max(left, 0.0)) and self.job.claim():
            lose(self.job)
            if not self.job.begun:
                return None
            seconds = time.perf_counter() - self._began
            return Answer(None, OutOfTimeError(f"took longer than {budget:g} s"), seconds)
        if self._answer is None:
            self._ready.acquire(timeout=HANDING_OVER)  # unless that broke, for want of memory
        return self._answer
