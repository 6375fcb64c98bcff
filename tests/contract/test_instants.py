"""Instants that are reckoned in SQL are what Python reckons, to the microsecond."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from driftbreaker.statements import sql_for
from driftbreaker.statements.dialect import COUNT, NOW, parameter
from tests.support.worlds import CHOSEN, TABLES, World

SYNC = [driver for driver in CHOSEN if driver in ("sqlite", "psycopg")]


@pytest.mark.parametrize("world", SYNC, indirect=True)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    at=st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    milliseconds=st.none() | st.integers(0, 10**12) | st.integers(0, 5_000),
)
def test_later_is_later_by_so_many_milliseconds(world: World, at: datetime, milliseconds: int | None) -> None:
    sql = sql_for(TABLES, world.dialect, clocked=True)
    with world.outside.connect() as connection:
        later = connection.execute(
            select(sql.later(NOW, parameter("delay", COUNT)).label("later")), {"p_now": at, "p_delay": milliseconds}
        ).scalar_one()
    assert later == (None if milliseconds is None else at + timedelta(milliseconds=milliseconds))


@pytest.mark.parametrize("world", SYNC, indirect=True)
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    at=st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    seconds=st.integers(1, 10**6),
)
def test_earlier_is_earlier_by_so_many_seconds(world: World, at: datetime, seconds: int) -> None:
    sql = sql_for(TABLES, world.dialect, clocked=True)
    with world.outside.connect() as connection:
        earlier = connection.execute(select(sql.earlier(NOW, seconds).label("earlier")), {"p_now": at}).scalar_one()
    assert earlier == at - timedelta(seconds=seconds)


@pytest.mark.parametrize("world", SYNC, indirect=True)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    now=st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    ahead=st.timedeltas(timedelta(days=-400), timedelta(days=400)) | st.timedeltas(timedelta(0), timedelta(seconds=3)),
)
def test_seconds_until_are_exact_to_the_microsecond(world: World, now: datetime, ahead: timedelta) -> None:
    sql = sql_for(TABLES, world.dialect, clocked=True)
    with world.outside.connect() as connection:
        left = connection.execute(
            select(sql.seconds_until(parameter("end", NOW.type)).label("left")), {"p_now": now, "p_end": now + ahead}
        ).scalar_one()
    assert left == pytest.approx(ahead.total_seconds(), abs=4e-7)
