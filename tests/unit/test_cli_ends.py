"""Until when: what people type, reckoned from the database's clock and the typist's time zone."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from driftbreaker.cli.exits import Usage
from driftbreaker.cli.people import end_of

NOW = datetime(2026, 11, 23, 22, 0, tzinfo=UTC)


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whoever types sits in Berlin, where it is 23:00; the change of clocks was on 25 October."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("length", "means"),
    [
        ("30min", timedelta(minutes=30)),
        ("30m", timedelta(minutes=30)),
        ("90s", timedelta(seconds=90)),
        ("8h", timedelta(hours=8)),
        ("2d", timedelta(days=2)),
        ("1w", timedelta(weeks=1)),
        ("1h 30min", timedelta(minutes=90)),
        ("1h30m", timedelta(minutes=90)),
    ],
)
def test_a_length(length: str, means: timedelta) -> None:
    assert end_of(None, length, NOW, none="") == NOW + means


@pytest.mark.usefixtures("zone")
@pytest.mark.parametrize(
    ("until", "means"),
    [
        ("09:00", datetime(2026, 11, 24, 8, tzinfo=UTC)),
        ("9:00", datetime(2026, 11, 24, 8, tzinfo=UTC)),
        ("23:30", datetime(2026, 11, 23, 22, 30, tzinfo=UTC)),
        ("23:00", datetime(2026, 11, 24, 22, 0, tzinfo=UTC)),
        ("2026-11-24T09:00Z", datetime(2026, 11, 24, 9, tzinfo=UTC)),
        ("2026-11-24T09:00+05:30", datetime(2026, 11, 24, 3, 30, tzinfo=UTC)),
        ("2026-11-24 09:00", datetime(2026, 11, 24, 8, tzinfo=UTC)),
        ("2026-11-24", datetime(2026, 11, 23, 23, tzinfo=UTC)),
        ("enabled", None),
    ],
)
def test_a_moment(until: str, means: datetime | None) -> None:
    assert end_of(until, None, NOW, none="") == means


@pytest.mark.usefixtures("zone")
def test_a_time_on_the_wall_in_the_night_when_clocks_change() -> None:
    before = datetime(2026, 10, 24, 22, 0, tzinfo=UTC)  # midnight in Berlin, of a day with 25 hours
    assert end_of("09:00", None, before, none="") == datetime(2026, 10, 25, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("until", "length", "none", "message"),
    [
        ("09:00", "8h", "", "--until and --for are both given"),
        (None, None, None, "until when?"),
        ("enabled", None, None, "it must end"),
        ("25:00", None, "", "--until takes 09:00, 2026-11-24T09:00Z or 'enabled', got '25:00'"),
        ("tomorrow", None, "", "got 'tomorrow'"),
        (None, "soon", "", "--for takes a length as in 30min, 8h, 2d or '1h 30min', got 'soon'"),
        (None, "8", "", "got '8'"),
        (None, "8h or so", "", "got '8h or so'"),
        (None, "0h", "", "--for must be above zero"),
        (None, "99999999999999999999d", "", "--for must be above zero and at most 36500d"),
        (None, "-1h", "", "--for takes a length"),
    ],
    ids=str,
)
def test_what_cannot_be_an_end_is_said(until: str | None, length: str | None, none: str | None, message: str) -> None:
    with pytest.raises(Usage, match=message):
        end_of(until, length, NOW, none=none)


def test_neither_means_what_the_command_says() -> None:
    assert end_of(None, None, NOW, none="until enabled") is None


def test_the_tests_zone_is_gone() -> None:
    assert os.environ.get("TZ") != "Europe/Berlin"
