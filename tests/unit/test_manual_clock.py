"""The clock of tests stands still until it is moved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from driftbreaker.errors import InvalidArgumentError
from driftbreaker.testing import ManualClock


def test_it_starts_at_noon_and_stands_still() -> None:
    clock = ManualClock()
    assert clock.now() == clock.now() == datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_it_starts_where_it_is_told_in_utc() -> None:
    start = datetime(2026, 7, 1, 14, tzinfo=timezone(timedelta(hours=2)))
    assert ManualClock(start).now() == start
    assert ManualClock(start).now().tzinfo is UTC


def test_it_moves_by_what_it_is_told_and_back() -> None:
    clock = ManualClock()
    start = clock.now()
    assert clock.advance(timedelta(hours=1)) == clock.now() == start + timedelta(hours=1)
    assert clock.advance(timedelta(hours=-2)) == start - timedelta(hours=1)


@pytest.mark.parametrize("start", [datetime(2026, 1, 1), "2026-01-01", 0])  # noqa: DTZ001
def test_a_start_without_a_time_zone_is_refused(start: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="start must"):
        ManualClock(start)
