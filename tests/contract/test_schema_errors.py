"""Schema errors add up over a rolling hour, apart from the streak of bad scores."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from driftbreaker import BreakerSettings
from driftbreaker.testing import ManualClock
from tests.contract.steps import BAD, GOOD, HOUR, changes, trip
from tests.support.worlds import World


def test_errors_that_reach_the_threshold_trip(world: World) -> None:
    with world.committed() as breaker:
        assert breaker.report_schema_error() is None
        assert breaker.report_schema_error(3) is None
        incident = breaker.report_schema_error(1, details={"field": "price"})
    assert (incident.severity, incident.drift_score, incident.sample_count) == ("P3", 1.0, 5)
    assert incident.details == {"field": "price"}
    assert world.row()["actor"] == "circuit_breaker"
    assert world.row()["trip_count"] == 1
    assert world.rows("incidents")[0]["sample_count"] == 5
    assert world.rows("outbox")[0]["labels"]["severity"] == "info"


def test_one_call_can_trip_at_once(world: World) -> None:
    with world.committed() as breaker:
        assert breaker.report_schema_error(12).sample_count == 12


def test_errors_older_than_an_hour_do_not_count(world: World) -> None:
    clock = ManualClock(datetime(2026, 1, 1, 12, 0, 30, tzinfo=UTC))
    with world.committed(clock=clock) as breaker:
        breaker.report_schema_error(4)
        clock.advance(HOUR + timedelta(minutes=1))
        assert breaker.get_state().schema_errors == 0
        assert breaker.report_schema_error(4) is None
        assert breaker.get_state().schema_errors == 4


def test_errors_of_the_last_fifty_nine_minutes_count(world: World) -> None:
    clock = ManualClock(datetime(2026, 1, 1, 12, 0, 30, tzinfo=UTC))
    with world.committed(clock=clock) as breaker:
        breaker.report_schema_error(2)
        clock.advance(timedelta(minutes=30))
        breaker.report_schema_error(2)
        clock.advance(timedelta(minutes=29))
        assert breaker.report_schema_error(1) is not None


def test_good_drift_does_not_clear_them(world: World) -> None:
    with world.committed() as breaker:
        breaker.report_schema_error(4)
        breaker.report_drift(BAD)
        breaker.report_drift(GOOD)
        assert breaker.get_state().schema_errors == 4
        assert breaker.report_schema_error(1) is not None


def test_they_leave_the_streak_alone(world: World) -> None:
    with world.committed() as breaker:
        breaker.report_drift(BAD)
        breaker.report_schema_error(2)
        assert breaker.get_state().consecutive_failures == 1


def test_every_closing_clears_them(world: World) -> None:
    with world.committed(settings=BreakerSettings(auto_recover=False)) as breaker:
        for close in (breaker.enable, breaker.reset):
            breaker.reset("start over", actor="alice")
            breaker.report_schema_error(4)
            trip(breaker)
            assert close("fine", actor="alice")
            assert breaker.get_state().schema_errors == 0
            assert breaker.report_schema_error(4) is None


def test_recovery_clears_them(world: World) -> None:
    clock = ManualClock()
    with world.committed(clock=clock, settings=BreakerSettings(ttl=timedelta(minutes=1))) as breaker:
        breaker.report_schema_error(9)
        clock.advance(timedelta(minutes=2))
        assert breaker.get_state().schema_errors == 0
        assert breaker.report_schema_error(4) is None
        assert breaker.get_state().schema_errors == 4


def test_open_breaker_ignores_them(world: World) -> None:
    with world.committed() as breaker:
        trip(breaker)
    before = world.everything()
    with world.committed() as breaker:
        assert breaker.report_schema_error(99) is None
    assert world.everything() == before


def test_they_date_the_last_failure(world: World) -> None:
    clock = ManualClock()
    with world.committed(clock=clock) as breaker:
        breaker.report_schema_error()
        assert breaker.get_state().last_failure_at == clock.now()


def test_none_is_no_operation(world: World) -> None:
    with world.committed() as breaker, world.watch() as seen:
        assert breaker.report_schema_error(0) is None
        assert len(seen) == 0
    assert world.count("breakers") == 0


def test_without_auto_disable_they_count_and_never_trip(world: World) -> None:
    with world.committed(settings=BreakerSettings(auto_disable=False)) as breaker:
        assert breaker.report_schema_error(50) is None
        assert breaker.get_state().schema_errors == 50
    assert changes(world) == []


def test_huge_counts_stay_in_range(world: World) -> None:
    with world.committed(settings=BreakerSettings(auto_disable=False)) as breaker:
        breaker.report_schema_error(2**63 - 1)
        breaker.report_schema_error(2**63 - 1)
        assert breaker.get_state().schema_errors == 2**63 - 1
    with world.committed() as breaker:
        assert breaker.report_schema_error(2**63 - 1).sample_count == 2**63 - 1


def test_trip_by_schema_errors_recovers_after_the_time_to_live(world: World) -> None:
    clock = ManualClock()
    with world.committed(clock=clock) as breaker:
        breaker.report_schema_error(5)
        assert breaker.get_state().disabled_until == clock.now() + timedelta(hours=24)
        clock.advance(timedelta(hours=24))
        assert breaker.is_closed()
