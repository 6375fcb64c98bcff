"""History reads in the order in which things happened, also for whoever waited for a lock or brought new settings."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from driftbreaker import BreakerSettings
from tests.support.crowd import Crowd, Member, Place, until_somebody_waits
from tests.support.promises import assert_promises_kept
from tests.support.worlds import World

ON_POSTGRESQL = pytest.mark.parametrize("place", ["psycopg"], indirect=True)
OLD, NEW = BreakerSettings(failure_threshold=9, schema_error_threshold=9), BreakerSettings(failure_threshold=1)


Deed = Callable[[Any], Any]


def report(world: World) -> None:
    with world.committed(settings=OLD) as breaker:
        breaker.report_drift(0.5)


def changes(world: World) -> list[tuple[str, str, str]]:
    return [(entry["change"], entry["old_status"], entry["new_status"]) for entry in world.rows("history")]


def test_trip_under_new_settings_reads_as_a_trip_from_closed(world: World) -> None:
    report(world)
    with world.committed(settings=NEW) as breaker:
        assert breaker.report_drift(0.5) is not None
    assert ("trip", "closed", "open") in changes(world)
    assert_promises_kept(world)


def test_recovery_written_under_new_settings_is_not_dated_before_them(world: World) -> None:
    with world.committed(settings=OLD) as breaker:
        breaker.disable("over already", actor="alice", until=datetime.now(UTC) - timedelta(hours=1))
    with world.committed(settings=NEW) as breaker:
        breaker.disable("maintenance", actor="alice")
    assert [change for change, _, _ in changes(world)] == ["disable", "recover", "settings", "disable"]
    assert_promises_kept(world)


@pytest.mark.parametrize("operation", ["enable", "reset"])
def test_expired_breaker_closed_under_new_settings_recovers_first(world: World, operation: str) -> None:
    with world.committed(settings=OLD) as breaker:
        breaker.disable("over already", actor="alice", until=datetime.now(UTC) - timedelta(hours=1))
    with world.committed(settings=NEW) as breaker:
        assert getattr(breaker, operation)("fine again", actor="alice") is False
    assert [change for change, _, _ in changes(world)] == ["disable", "recover", "settings"]
    assert_promises_kept(world)


def test_change_under_new_settings_has_one_instant(world: World) -> None:
    with world.committed(settings=OLD) as breaker:
        breaker.disable("maintenance", actor="alice")
    with world.committed(settings=NEW) as breaker:
        assert breaker.enable("fine again", actor="alice")
    _, settings, enable = world.rows("history")
    assert (settings["change"], settings["at"]) == ("settings", enable["at"])
    assert_promises_kept(world)


def act_while_another_waits(member: Member, acts: Deed, waits: Deed) -> datetime | None:
    """Member 0 takes the lock, and acts once member 1 waits for it: the instant of 1 is older than what 0 wrote."""
    with member.world.session() as session:
        breaker = member.world.breaker(session, settings=OLD)
        if member.number == 1:
            member.meet()
            waits(breaker)
        else:
            breaker.report_drift(0.5)
            member.meet()
            until_somebody_waits(member.world)
            acts(breaker)
        failed_at: datetime | None = breaker.get_state().last_failure_at
        session.commit()
    return failed_at


def reset(breaker: Any) -> None:
    breaker.reset("from the start", actor="alice")


def disable(breaker: Any) -> None:
    breaker.disable("maintenance", actor="bob")


def report_drift(breaker: Any) -> None:
    breaker.report_drift(0.5)


def report_schema_error(breaker: Any) -> None:
    breaker.report_schema_error()


@ON_POSTGRESQL
def test_who_waited_for_a_reset_is_not_dated_before_it(crowd: Crowd, place: Place, world: World) -> None:
    report(world)
    crowd.race(2, place, act_while_another_waits, reset, disable)
    assert [change for change, _, _ in changes(world)] == ["reset", "disable"]
    assert_promises_kept(world)


@ON_POSTGRESQL
@pytest.mark.parametrize("waits", [report_drift, report_schema_error])
def test_last_failure_never_moves_back(crowd: Crowd, place: Place, world: World, waits: Deed) -> None:
    report(world)
    before, after = crowd.race(2, place, act_while_another_waits, report_drift, waits)
    assert world.row()["last_failure_at"] == after
    assert after >= before
