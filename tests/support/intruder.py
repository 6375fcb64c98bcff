"""Somebody who reports amid everything that a reporter does."""

from __future__ import annotations

import threading
from types import FrameType
from typing import Any

from driftbreaker import Reporter
from driftbreaker.reporter.flusher import NOT_YET

from .reported import BAD

OURS = ("driftbreaker/reporter", "threading.py")


class Intruder:
    """Reports before each line that a thread runs of ours, as a signal's handler or a finaliser might."""

    def __init__(self, reporter: Reporter, most: int = 2_000) -> None:
        self.reporter = reporter
        self.calls = 0
        self.places: set[tuple[str, int]] = set()
        self._most = most
        self._amid = threading.local()

    def trace(self, frame: FrameType, _what: str, _value: Any) -> Any:
        file = frame.f_code.co_filename
        if not any(each in file for each in OURS):
            return None
        if not getattr(self._amid, "reporting", False) and self.calls < self._most:
            self._amid.reporting = True
            self.places.add((file, frame.f_lineno))
            # So that each one rings, and whoever is interrupted does, too.
            self.reporter._flusher._stirred = NOT_YET
            self.calls += 1
            self.reporter.report("pricing", BAD)
            self.reporter._flusher._stirred = NOT_YET
            self._amid.reporting = False
        return self.trace
