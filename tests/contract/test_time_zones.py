"""Instants are stored and read back as they were meant, whatever zone the server, the host or the caller lives in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from driftbreaker.testing import ManualClock
from tests.contract.steps import BAD, trip
from tests.support.worlds import World

# Far east, far west, half hours, and the extremes that PostgreSQL takes: POSIX zones count the other way.
SERVER_ZONES = (
    "Pacific/Kiritimati",
    "Etc/GMT+12",
    "America/St_Johns",
    "Asia/Kathmandu",
    "Africa/Monrovia",
    "<+24>-24",
    "<-24>+24",
)
EARLIEST = datetime(1, 1, 2, tzinfo=UTC)
LATEST = datetime(9999, 12, 29, 23, 59, 59, 999999, tzinfo=UTC)
ENDS = (
    EARLIEST,
    LATEST,
    datetime(1, 1, 2, 14, tzinfo=timezone(timedelta(hours=14))),
    datetime(9999, 12, 30, 9, 59, 59, 999999, tzinfo=timezone(timedelta(hours=10))),
    datetime(1900, 1, 1, tzinfo=ZoneInfo("Africa/Monrovia")),  # an offset with seconds
    datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin")),
    datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin")),
    datetime(2026, 3, 29, 2, 30, tzinfo=ZoneInfo("Europe/Berlin")),
    datetime(2026, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
)


PLACES = [
    *(("database", zone) for zone in SERVER_ZONES),
    *((place, zone) for place in ("role", "session") for zone in ("Pacific/Kiritimati", "America/St_Johns")),
]


def in_utc(at: datetime | None) -> datetime:
    assert at is not None
    assert at.utcoffset() == timedelta(0)
    assert at.tzname() == "UTC"
    return at


def live_in(world: World, place: str, zone: str) -> None:
    """Let new connections of the world live in a zone."""
    name = world.url.rpartition("/")[2]
    ways = {
        "database": f"ALTER DATABASE \"{name}\" SET timezone = '{zone}'",
        "role": f"ALTER ROLE CURRENT_USER IN DATABASE \"{name}\" SET timezone = '{zone}'",
    }
    world.call(world.engine.dispose)
    with world.outside.begin() as connection:
        if place in ways:
            connection.execute(text(ways[place]))
    world.outside.dispose()


@pytest.mark.parametrize(("place", "zone"), PLACES)
def test_the_servers_zone_changes_nothing(postgres_world: World, place: str, zone: str) -> None:
    world = postgres_world
    live_in(world, place, zone)
    with world.session() as session:
        if place == "session":
            session.execute(text(f"SET LOCAL TIME ZONE '{zone}'"))
        assert session.execute(text("SHOW timezone")).scalar_one() == zone
        for number, until in enumerate(ENDS):
            breaker = world.breaker(session, f"end {number}")
            before = datetime.now(UTC)
            _, incident = breaker.disable("why", actor="alice", until=until)
            assert abs(in_utc(incident.timestamp) - before) < timedelta(minutes=1)
            ahead = until.astimezone(UTC) > before
            state = breaker.get_state()
            assert (breaker.is_open(), state.is_open) == (ahead, ahead)
            if ahead:
                assert in_utc(state.disabled_until) == until.astimezone(UTC)
                assert in_utc(state.opened_at) == incident.timestamp
            else:
                (over,) = breaker.get_incidents(include_resolved=True)
                assert in_utc(over.resolved_at) == over.timestamp
            assert in_utc(breaker.get_history()[0].at) == incident.timestamp
        session.commit()
    for number, until in enumerate(ENDS):
        assert in_utc(world.row(f"end {number}")["until"]) == until.astimezone(UTC)


def test_ends_in_every_zone_are_kept_as_the_instant_that_they_name(world: World) -> None:
    for number, until in enumerate(ENDS):
        with world.committed(f"end {number}") as breaker:
            breaker.disable("why", actor="alice", until=until)
        assert in_utc(world.row(f"end {number}")["until"]) == until.astimezone(UTC)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/St_Johns", "Pacific/Apia"])
def test_an_hour_that_comes_twice_is_two_ends(world: World, zone: str) -> None:
    """Python compares two times of one zone by what their clocks show: an hour apart, they look equal."""
    clock = ManualClock(datetime(2010, 1, 1, tzinfo=UTC))
    days = {
        "Europe/Berlin": (2026, 10, 25, 2, 30),
        "America/St_Johns": (2026, 11, 1, 1, 30),
        "Pacific/Apia": (2021, 4, 4, 3, 30),
    }
    first = datetime(*days[zone], tzinfo=ZoneInfo(zone))  # type: ignore[misc]
    second = first.replace(fold=1)
    assert first == second
    assert second.astimezone(UTC) - first.astimezone(UTC) == timedelta(hours=1)
    with world.committed(clock=clock) as breaker:
        assert breaker.disable("why", actor="alice", until=first)[0] is True
        assert breaker.disable("why", actor="alice", until=first) == (False, None)
        changed, incident = breaker.disable("why", actor="alice", until=second)
        assert changed, "an hour later"
        assert incident is not None
        assert breaker.disable("why", actor="alice", until=first) == (False, None)
    assert world.row()["until"] == second.astimezone(UTC)
    clock.advance(first.astimezone(UTC) - clock.now())
    with world.session() as session:
        assert world.breaker(session, clock=clock).is_open() is True
        clock.advance(timedelta(hours=1) - timedelta(microseconds=1))
        assert world.breaker(session, clock=clock).is_open() is True
        clock.advance(timedelta(microseconds=1))
        assert world.breaker(session, clock=clock).is_open() is False


@pytest.mark.parametrize("fold", [0, 1])
def test_an_hour_that_never_comes_is_the_instant_that_python_makes_of_it(world: World, fold: int) -> None:
    gap = datetime(2030, 3, 31, 2, 30, fold=fold, tzinfo=ZoneInfo("Europe/Berlin"))
    with world.committed() as breaker:
        breaker.disable("why", actor="alice", until=gap)
        assert in_utc(breaker.get_state().disabled_until) == gap.astimezone(UTC)
    assert world.row()["until"] == datetime(2030, 3, 31, 1 - fold, 30, tzinfo=UTC)


def test_a_time_to_live_is_the_same_length_across_a_change_of_the_clocks(world: World) -> None:
    """A day is 24 hours, in whatever zone the server counts its days."""
    clock = ManualClock(datetime(2026, 10, 25, 0, 30, tzinfo=UTC))  # 2:30 in Berlin, the first time
    with world.session() as session:
        if world.dialect == "postgresql":
            session.execute(text("SET LOCAL TIME ZONE 'Europe/Berlin'"))
        trip(world.breaker(session, clock=clock))
        session.commit()
    row = world.row()
    assert row["until"] - row["opened_at"] == timedelta(hours=24)


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/St_Johns", "Etc/GMT+12"])
def test_the_hosts_zone_changes_nothing(world: World, zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        until = datetime(2040, 6, 1, 12, tzinfo=UTC)
        before: Any = datetime.now(UTC)
        with world.committed() as breaker:
            breaker.report_drift(BAD)
            breaker.disable("why", actor="alice", until=until)
            state = breaker.get_state()
        assert in_utc(state.disabled_until) == until
        assert abs(in_utc(state.opened_at) - before) < timedelta(minutes=1)
        assert world.row()["until"] == until
    finally:
        monkeypatch.undo()
        time.tzset()
