"""A clock for tests that stands still until it is moved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ..checks import check_instant, check_interval
from ..errors import InvalidArgumentError


class ManualClock:
    """Stands in for the database's clock: ``CircuitBreaker(session, name, clock=ManualClock())``.

    Starts at `start` (an aware datetime; noon of 1 January 2026 by default) and moves only when told to.
    """

    def __init__(self, start: datetime | None = None) -> None:
        self._now = check_instant(datetime(2026, 1, 1, 12, tzinfo=UTC) if start is None else start, "start")

    def now(self) -> datetime:
        """Return the present instant."""
        return self._now

    def advance(self, by: timedelta) -> datetime:
        """Move by `by`, back when it is negative, and return the new instant. Raises InvalidArgumentError."""
        by = check_interval(by, "by")
        try:
            self._now = check_instant(self._now + by, "the new instant")
        except OverflowError:
            raise InvalidArgumentError(f"by must not leave what a datetime can hold, got {by!r}") from None
        return self._now
