"""Somebody who reports amid everything that a reporter does."""

from __future__ import annotations

import threading
from types import FrameType
from typing import Any

from driftbreaker.reporter.flusher import NOT_YET

from .reported import BAD

OURS = ("driftbreaker/reporter", "driftbreaker/aio", "threading.py")


class Intruder:
    """Reports before each line that a thread runs of ours, as a signal's handler or a finaliser might.

    At most so often, and only `within` a function of that name, if one is given.
    """

    def __init__(self, reporter: Any, most: int = 2_000, within: str | None = None) -> None:
        self.reporter = reporter
        self.calls = 0
        self.places: set[tuple[str, int]] = set()
        self._most = most
        self._within = within
        self._amid = threading.local()

    def trace(self, frame: FrameType, _what: str, _value: Any) -> Any:
        file = frame.f_code.co_filename
        if not any(each in file for each in OURS):
            return None
        if not getattr(self._amid, "reporting", False) and self.calls < self._most and self._is_due(frame):
            self._amid.reporting = True
            self.places.add((file, frame.f_lineno))
            # So that each one rings, and whoever is interrupted does, too.
            self.reporter._flusher._stirred = NOT_YET
            self.calls += 1
            self.reporter.report("pricing", BAD)
            self.reporter._flusher._stirred = NOT_YET
            self._amid.reporting = False
        return self.trace

    def _is_due(self, frame: FrameType | None) -> bool:
        """Whether the function is under way that it waits for."""
        if self._within is None:
            return True
        while frame is not None and frame.f_code.co_name != self._within:
            frame = frame.f_back
        return frame is not None
