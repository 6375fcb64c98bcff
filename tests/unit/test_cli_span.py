"""Since when and until when: what people type, in UTC like what they are shown, or by their own clock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import click
import pytest

from driftbreaker.cli.audit.span import span_of

NOW = datetime(2026, 10, 1, 0, 30, tzinfo=UTC)
LATE = datetime(2026, 9, 30, 22, 30, tzinfo=UTC)  # past midnight in Berlin, where the fourth quarter has begun


@pytest.fixture(autouse=True)
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def local() -> Iterator[None]:
    with click.Context(click.Command("export")) as ctx:
        ctx.meta["driftbreaker.given"] = {"local": True}
        yield


def test_a_date_is_utc_like_what_is_shown() -> None:
    assert span_of("2026-07-01", "2026-07-02T09:00", None, NOW) == (
        datetime(2026, 7, 1, tzinfo=UTC),
        datetime(2026, 7, 2, 9, tzinfo=UTC),
    )


@pytest.mark.usefixtures("local")
def test_a_date_is_by_the_readers_clock_where_what_is_shown_is() -> None:
    assert span_of("2026-07-01", "2026-07-02T09:00Z", None, NOW) == (
        datetime(2026, 6, 30, 22, tzinfo=UTC),
        datetime(2026, 7, 2, 9, tzinfo=UTC),
    )
    assert span_of(None, None, "last", LATE)[1] == datetime(2026, 9, 30, 22, tzinfo=UTC)


def test_a_length_is_reckoned_back_from_the_databases_now() -> None:
    assert span_of("90d", "1h 30min", None, NOW) == (NOW - timedelta(days=90), NOW - timedelta(minutes=90))


@pytest.mark.parametrize(
    ("quarter", "now", "begin", "end"),
    [
        ("2026Q3", NOW, (2026, 7), (2026, 10)),
        ("2026-q4", NOW, (2026, 10), (2027, 1)),
        ("last", NOW, (2026, 7), (2026, 10)),
        ("last", LATE, (2026, 4), (2026, 7)),
        ("last", datetime(2026, 2, 1, tzinfo=UTC), (2025, 10), (2026, 1)),
    ],
)
def test_a_quarter(quarter: str, now: datetime, begin: tuple[int, int], end: tuple[int, int]) -> None:
    assert span_of(None, None, quarter, now) == (datetime(*begin, 1, tzinfo=UTC), datetime(*end, 1, tzinfo=UTC))
