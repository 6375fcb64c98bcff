"""Schema errors count for an hour, in buckets of a minute."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftbreaker.checks import MAX_INTEGER
from driftbreaker.policy import add_errors, count_errors

INSTANTS = st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@given(INSTANTS, st.timedeltas(timedelta(0), timedelta(minutes=59)))
def test_an_error_counts_for_at_least_59_minutes(at: datetime, later: timedelta) -> None:
    assert count_errors(add_errors(None, at, 3), at + later) == 3


@given(INSTANTS, st.timedeltas(HOUR, timedelta(days=1000)))
def test_an_error_counts_for_at_most_60_minutes(at: datetime, later: timedelta) -> None:
    assert count_errors(add_errors(None, at, 3), at + later) == 0


@given(
    INSTANTS, st.lists(st.tuples(st.timedeltas(timedelta(0), timedelta(minutes=20)), st.integers(1, 9)), max_size=20)
)
def test_errors_add_up_as_if_each_were_kept_alone(at: datetime, reports: list[tuple[timedelta, int]]) -> None:
    buckets: list[list[int]] | None = None
    alone: list[list[list[int]]] = []
    for pause, errors in reports:
        at += pause
        buckets = add_errors(buckets, at, errors)
        alone.append(add_errors(None, at, errors))
    assert count_errors(buckets, at) == sum(count_errors(each, at) for each in alone)


@given(INSTANTS, st.lists(st.timedeltas(timedelta(0), timedelta(minutes=5)), min_size=1, max_size=200))
def test_no_more_than_sixty_buckets_are_kept_in_order(at: datetime, pauses: list[timedelta]) -> None:
    buckets: list[list[int]] | None = None
    for pause in pauses:
        at += pause
        buckets = add_errors(buckets, at, 1)
    assert buckets is not None
    assert len(buckets) <= 60
    assert buckets == sorted(buckets)


def test_of_an_error_each_minute_the_last_sixty_are_kept() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    buckets: list[list[int]] | None = None
    for _ in range(200):
        buckets = add_errors(buckets, at, 1)
        at += MINUTE
    last = int(at.timestamp()) // 60 - 1
    assert buckets == [[minute, 1] for minute in range(last - 59, last + 1)]
    assert buckets is not None
    assert all(type(minute) is int for minute, _ in buckets), "they are kept as JSON"
    assert add_errors(buckets, at + 2 * HOUR, 5) == [[last + 121, 5]]


def test_adding_leaves_the_given_buckets_alone() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    buckets = add_errors(None, at, 1)
    add_errors(buckets, at, 5)
    assert count_errors(buckets, at) == 1


def test_counts_never_leave_what_a_database_holds() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    buckets = add_errors(add_errors(None, at, MAX_INTEGER), at, MAX_INTEGER)
    buckets = add_errors(buckets, at + MINUTE, MAX_INTEGER)
    assert all(errors <= MAX_INTEGER for _, errors in buckets)
    assert count_errors(buckets, at + MINUTE) == MAX_INTEGER


@pytest.mark.parametrize("nothing", [None, [], ()])
def test_no_buckets_are_no_errors(nothing: list[list[int]] | None) -> None:
    assert count_errors(nothing, datetime(2026, 1, 1, tzinfo=UTC)) == 0
