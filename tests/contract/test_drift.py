"""Reports of drift: what counts, what trips, what leaves no trace."""

from __future__ import annotations

from datetime import timedelta

import pytest

from driftbreaker import BreakerSettings
from driftbreaker.testing import ManualClock
from tests.contract.steps import BAD, GOOD, HOUR, START, changes, trip
from tests.support.worlds import World


def test_third_bad_score_in_a_row_trips(world: World) -> None:
    with world.committed() as breaker:
        assert breaker.report_drift(BAD) is None
        assert breaker.report_drift(BAD) is None
        incident = breaker.report_drift(0.75, sample_count=40, details={"model": "gpt-4"})
    assert (incident.severity, incident.drift_score, incident.sample_count) == ("P1", 0.75, 40)
    assert incident.details == {"model": "gpt-4"}
    assert "0.75" in incident.reason
    assert "0.2" in incident.reason
    row = world.row()
    assert (row["status"], row["failures"], row["actor"]) == ("open", 3, "circuit_breaker")
    assert row["reason"] == incident.reason


def test_trip_lasts_for_the_time_to_live(world: World) -> None:
    clock = ManualClock(START + timedelta(microseconds=123_456))
    with world.committed(clock=clock) as breaker:
        trip(breaker)
        state = breaker.get_state()
    assert state.opened_at == clock.now()
    assert state.disabled_until == clock.now() + timedelta(hours=24)


def test_time_to_live_is_rounded_up_to_the_millisecond(world: World) -> None:
    clock = ManualClock()
    with world.committed(clock=clock, settings=BreakerSettings(ttl=timedelta(microseconds=1_500_001))) as breaker:
        trip(breaker)
        assert breaker.get_state().disabled_until == clock.now() + timedelta(milliseconds=1_501)


def test_without_time_to_live_a_trip_has_no_end(world: World) -> None:
    with world.committed(settings=BreakerSettings(ttl=None)) as breaker:
        trip(breaker)
        assert breaker.get_state().disabled_until is None
    assert world.rows("outbox")[0]["ends_at"] is None


def test_score_that_equals_the_threshold_up_to_rounding_is_not_bad(world: World) -> None:
    with world.committed(settings=BreakerSettings(failure_threshold=1)) as breaker:
        for score in (0.2, 0.1 + 0.1, 0.2 * (1 + 9e-10), 1.2 - 1.0):
            assert breaker.report_drift(score) is None
        assert breaker.report_drift(0.2 * (1 + 2e-9)) is not None


def test_threshold_of_zero_is_honoured(world: World) -> None:
    with world.committed(settings=BreakerSettings(failure_threshold=1, drift_threshold=0)) as breaker:
        assert breaker.drift_threshold == 0
        assert breaker.report_drift(0.0) is None
        assert breaker.report_drift(1e-12) is not None


def test_scores_above_one_are_fine(world: World) -> None:
    with world.committed(settings=BreakerSettings(failure_threshold=1)) as breaker:
        assert breaker.report_drift(1e300).drift_score == 1e300


def test_good_score_clears_the_streak(world: World) -> None:
    with world.committed() as breaker:
        breaker.report_drift(BAD)
        breaker.report_drift(BAD)
        assert breaker.report_drift(GOOD) is None
        assert breaker.get_state().consecutive_failures == 0
        breaker.report_drift(BAD)
        assert breaker.report_drift(BAD) is None, "two in a row, not four"
    assert world.row()["failures"] == 2


def test_good_score_makes_no_row_and_changes_none(world: World) -> None:
    with world.committed() as breaker:
        breaker.report_drift(GOOD)
    assert world.everything() == {"breakers": [], "incidents": [], "outbox": [], "history": []}
    with world.committed() as breaker:
        breaker.report_drift(BAD)
        breaker.report_drift(GOOD)
    before = world.everything()
    with world.committed() as breaker:
        breaker.report_drift(GOOD)
    assert world.everything() == before


def test_last_failure_is_dated(world: World) -> None:
    clock = ManualClock()
    with world.committed(clock=clock) as breaker:
        breaker.report_drift(BAD)
        failed_at = clock.now()
        clock.advance(HOUR)
        breaker.report_drift(GOOD)
        assert breaker.get_state().last_failure_at == failed_at


def test_open_breaker_is_not_touched_by_bad_scores(world: World) -> None:
    with world.committed() as breaker:
        trip(breaker)
    before = world.everything()
    with world.committed() as breaker:
        for _ in range(5):
            assert breaker.report_drift(BAD) is None
    assert world.everything() == before


def test_good_score_does_not_clear_the_streak_of_an_open_breaker(world: World) -> None:
    with world.committed() as breaker:
        trip(breaker)
        breaker.report_drift(GOOD)
        assert breaker.get_state().consecutive_failures == 3
        assert breaker.is_open()


def test_without_auto_disable_it_counts_and_never_trips(world: World) -> None:
    with world.committed(settings=BreakerSettings(auto_disable=False)) as breaker:
        for _ in range(7):
            assert breaker.report_drift(BAD) is None
        assert breaker.get_state().consecutive_failures == 7
        assert breaker.is_closed()
    assert changes(world) == []


def test_lowered_threshold_trips_at_the_next_bad_score(world: World) -> None:
    with world.committed(settings=BreakerSettings(failure_threshold=9)) as breaker:
        for _ in range(5):
            breaker.report_drift(BAD)
    with world.committed(settings=BreakerSettings(failure_threshold=3)) as breaker:
        assert breaker.report_drift(BAD) is not None


def test_threshold_of_one_trips_at_first_use(world: World) -> None:
    with world.committed(settings=BreakerSettings(failure_threshold=1)) as breaker:
        assert breaker.report_drift(BAD) is not None
    assert world.row()["trip_count"] == 1


def test_late_report_of_an_earlier_generation_changes_nothing(world: World) -> None:
    with world.committed() as breaker:
        breaker.report_drift(BAD)
        trip_generation = breaker.get_state().generation
        breaker.disable("by hand", actor="alice")
        breaker.enable("again", actor="alice")
        breaker.report_drift(BAD)
        assert breaker.get_state().generation == trip_generation + 2
    before = world.everything()
    with world.committed() as breaker:
        assert breaker.report_drift(GOOD, generation=trip_generation) is None
        for _ in range(4):
            assert breaker.report_drift(BAD, generation=trip_generation) is None
        assert breaker.report_schema_error(99, generation=trip_generation) is None
    assert world.everything() == before


def test_report_of_the_present_generation_counts(world: World) -> None:
    with world.committed() as breaker:
        breaker.report_drift(BAD, generation=0)
        breaker.report_drift(BAD, generation=0)
        assert breaker.report_drift(BAD, generation=0) is not None
    with world.committed("other") as breaker:
        breaker.report_drift(BAD)
        breaker.report_drift(GOOD, generation=0)
        assert breaker.get_state().consecutive_failures == 0
        assert breaker.report_schema_error(9, generation=0) is not None


def test_report_of_a_generation_that_never_was_makes_no_row(world: World) -> None:
    with world.committed() as breaker:
        breaker.report_drift(BAD, generation=4)
        breaker.report_schema_error(9, generation=4)
    assert world.count("breakers") == 0


def test_trip_returns_the_incident_to_one_report_only(world: World) -> None:
    with world.committed(settings=BreakerSettings(failure_threshold=2)) as breaker:
        answers = [breaker.report_drift(BAD) for _ in range(6)]
    assert [answer is not None for answer in answers] == [False, True, False, False, False, False]
    assert world.count("incidents") == world.count("outbox") == world.count("history") == 1


@pytest.mark.parametrize("name", ["it's", 'quo"ted', "select", "ünïcødé 漢字 🚦", "x" * 200, " spaces ", "a%s:b"])
def test_awkward_names_and_scopes_work(world: World, name: str) -> None:
    with world.committed(name, scope=name, settings=BreakerSettings(failure_threshold=1)) as breaker:
        assert breaker.report_drift(BAD).name == name
        assert breaker.is_disabled()
    assert world.row(name, name)["status"] == "open"
