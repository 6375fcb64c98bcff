"""A clock that runs, and is wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class OffsetClock:
    """The true time and so much more, or less; it can be moved on."""

    def __init__(self, offset: timedelta) -> None:
        self._offset = offset

    def now(self) -> datetime:
        return datetime.now(UTC) + self._offset

    def advance(self, by: timedelta) -> None:
        self._offset += by
