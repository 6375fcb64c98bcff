"""The moment at which an opening ends by itself, met by everybody at once."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from driftbreaker import BreakerSettings
from tests.support.crowd import Crowd, Member, Place
from tests.support.promises import assert_promises_kept
from tests.support.worlds import World

ON_POSTGRESQL = pytest.mark.parametrize("place", ["psycopg", "asyncpg"], indirect=True)


@pytest.fixture
def expired(world: World) -> World:
    with world.committed() as breaker:
        breaker.disable("over already", actor="alice", until=datetime.now(UTC) - timedelta(hours=1))
    return world


def changes(world: World) -> list[str]:
    return [entry["change"] for entry in world.rows("history")]


def check(member: Member) -> bool:
    """Check, and end the transaction only when all have their answer: whoever waits for another never gets there."""
    with member.world.committed() as breaker:
        answer = bool(breaker.is_disabled())
        member.meet()
    return answer


@ON_POSTGRESQL
def test_32_processes_that_check_at_expiry_write_one_recovery(crowd: Crowd, place: Place, expired: World) -> None:
    assert crowd.race(32, place, check) == [False] * 32
    assert changes(expired) == ["disable", "recover"]
    assert expired.row()["status"] == "closed"
    assert_promises_kept(expired)


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_32_processes_that_check_at_expiry_on_sqlite_write_nothing(crowd: Crowd, place: Place, expired: World) -> None:
    before = expired.everything()
    assert crowd.race(32, place, check) == [False] * 32
    assert expired.everything() == before


def report_bad(member: Member) -> str | None:
    with member.world.committed(settings=BreakerSettings(failure_threshold=16)) as breaker:
        incident = breaker.report_drift(0.5)
    return None if incident is None else str(incident.id)


def test_bad_reports_at_expiry_recover_once_and_trip_once(crowd: Crowd, place: Place, expired: World) -> None:
    given = crowd.race(16, place, report_bad)
    assert [one for one in given if one is not None] == [expired.row()["incident_id"]]
    assert Counter(changes(expired)) == {"disable": 1, "recover": 1, "settings": 1, "trip": 1}
    assert_promises_kept(expired)


def disable(member: Member) -> bool:
    with member.world.committed() as breaker:
        changed, _ = breaker.disable("over already", actor=f"user {member.number}")
    return bool(changed)


def test_disabling_an_expired_breaker_again_is_a_new_incident(crowd: Crowd, place: Place, expired: World) -> None:
    """For the reason that it had before, too: what has expired is not extended."""
    assert Counter(crowd.race(16, place, disable)) == {True: 1, False: 15}
    assert changes(expired) == ["disable", "recover", "disable"]
    assert_promises_kept(expired)


def enable(member: Member) -> bool:
    with member.world.committed() as breaker:
        return bool(breaker.enable("fine again", actor=f"user {member.number}"))


def test_nobody_is_told_to_have_closed_an_expired_breaker(crowd: Crowd, place: Place, expired: World) -> None:
    assert crowd.race(16, place, enable) == [False] * 16
    assert changes(expired) == ["disable", "recover"]
    assert_promises_kept(expired)


def test_one_of_16_that_enable_is_told_to_have_closed_it(crowd: Crowd, place: Place, world: World) -> None:
    with world.committed() as breaker:
        breaker.disable("maintenance", actor="alice")
    assert Counter(crowd.race(16, place, enable)) == {True: 1, False: 15}
    assert changes(world) == ["disable", "enable"]
    assert_promises_kept(world)
