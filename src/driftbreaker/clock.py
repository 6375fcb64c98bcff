"""The one clock: the database's own, unless a test brings another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime


class Clock(Protocol):
    """A clock that stands in for the database's, for tests.

    Handed to a breaker as ``clock=``; without one, every time is the database's own, computed inside each
    statement, so that hosts whose clocks disagree still agree on what has expired.
    """

    def now(self) -> datetime:
        """Return the present instant, with a time zone."""
        ...
