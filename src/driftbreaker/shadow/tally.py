"""Counts what became of calls, and warns once of what goes wrong again and again."""

from __future__ import annotations

import logging
import threading

from ..model import Verdict
from .comparison import ComparisonKind, Counts
from .forked import BeginsAgain

_logger = logging.getLogger("driftbreaker")


class Tally(BeginsAgain):
    """The counts of one shadow; every thread may add to them."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._warned: set[str] = set()
        super().__init__()

    def begin_again(self) -> None:
        """Count what this process does, with a lock that no thread of another holds. What was said is said."""
        self._kinds: dict[ComparisonKind, int] = {}
        self._verdicts: dict[Verdict, int] = {}
        self._fallbacks = self._reports = self._hooks = 0
        #: Counted without a call: it happens where there is neither stack nor memory left for one.
        self.broken = 0
        # Taken again by the thread that has it, where a finalizer or a signal handler of the host's calls in between.
        self._lock = threading.RLock()

    def add(self, kind: ComparisonKind, verdict: Verdict | None = None) -> None:
        """Count one comparison."""
        with self._lock:
            self._kinds[kind] = self._kinds.get(kind, 0) + 1
            if verdict is not None:
                self._verdicts[verdict] = self._verdicts.get(verdict, 0) + 1

    def broke(self) -> None:
        """Count one comparison that broke in a thread of ours."""
        self.broken += 1

    def fell_back(self) -> None:
        """Count one call that the control had to serve."""
        with self._lock:
            self._fallbacks += 1

    def report_failed(self, error: BaseException) -> None:
        """Count one report that did not reach the reporter."""
        with self._lock:
            self._reports += 1
        self.warn_once("report", "its reporter raised; what it was told is lost", error)

    def hook_failed(self, what: str, error: BaseException) -> None:
        """Count one function of the host's that raised."""
        with self._lock:
            self._hooks += 1
        self.warn_once(what, f"its {what} function raised", error)

    def warn_once(self, what: str, message: str, error: BaseException | None = None) -> bool:
        """Log a warning, unless one about the same was logged before; return whether it was."""
        with self._lock:
            if what in self._warned:
                return False
            self._warned.add(what)
        _logger.warning("driftbreaker: shadow %r: %s (said once)", self._name, message, exc_info=error)
        return True

    def counts(self) -> Counts:
        """Return the counts of this moment."""
        with self._lock:
            return Counts(
                kinds=dict(self._kinds),
                good=self._verdicts.get(Verdict.GOOD, 0),
                bad=self._verdicts.get(Verdict.BAD, 0),
                inconclusive=self._verdicts.get(Verdict.INCONCLUSIVE, 0),
                fallbacks=self._fallbacks,
                report_failures=self._reports,
                hook_failures=self._hooks,
                broken=self.broken,
            )
