"""Looks after a flush from beside."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

WATCH_EVERY = 0.5


class Watch:
    """A thread that looks at a flush now and then, until it is to end."""

    def __init__(self, look: Callable[[float], None]) -> None:
        self._look = look
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="driftbreaker-reporter-watch", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """End it, and wait for that."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(WATCH_EVERY):
            self._look(time.monotonic())
