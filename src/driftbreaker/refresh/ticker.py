"""Ends openings and distrusts old readings on time, in a thread that never waits for a database."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from ..snapshot import Snapshot

_logger = logging.getLogger("driftbreaker")


class Ticker:
    """Calls `Snapshot.tick` when its deadline comes, and `watch` as often, at least every `interval` seconds."""

    def __init__(self, snapshot: Snapshot, watch: Callable[[float], None], interval: float) -> None:
        self._snapshot = snapshot
        self._watch = watch
        self._interval = interval
        self._wake = threading.Event()
        self._rests_until = 0.0
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="driftbreaker-ticker", daemon=True)
        self._thread.start()

    def notice(self) -> None:
        """Look at the deadline again, where it comes sooner than the next look."""
        if self._snapshot.deadline() < self._rests_until:
            self._wake.set()

    def close(self) -> None:
        """End the thread, which is never busy for long."""
        self._closing = True
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closing:
            now = time.monotonic()
            self._snapshot.tick(now)
            try:
                self._watch(now)
            except Exception:
                # Nothing may end this thread: handles would say for ever what they say now.
                _logger.exception("driftbreaker: watching over the switchboard failed")
            self._rests_until = now + self._interval
            self._rests_until = min(self._rests_until, self._snapshot.deadline())
            self._wake.wait(max(0.0, self._rests_until - time.monotonic()))
            self._wake.clear()
