"""Disable, hold, enable, reset, force on: what people do, and what it leaves on record."""

from __future__ import annotations

from datetime import timedelta

import pytest

from driftbreaker import BreakerSettings
from driftbreaker.testing import ManualClock
from tests.contract.steps import BAD, GOOD, HOUR, NO_TTL, changes, trip
from tests.support.worlds import World


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def test_disable_opens_with_an_incident_of_its_own(world: World, clock: ManualClock) -> None:
    with world.committed(clock=clock) as breaker:
        changed, incident = breaker.disable("prices look wrong", actor="alice")
    assert changed is True
    assert (incident.severity, incident.drift_score, incident.sample_count) == ("P2", 0.0, 0)
    assert (incident.reason, incident.details) == ("prices look wrong", {"manual_disable": True})
    row = world.row()
    assert (row["status"], row["actor"], row["until"], row["trip_count"]) == ("open", "alice", None, 0)
    (entry,) = world.rows("history")
    assert (entry["change"], entry["actor"], entry["actor_kind"], entry["source"]) == (
        "disable",
        "alice",
        "user",
        "claimed",
    )
    assert (entry["old_status"], entry["new_status"], entry["door"]) == ("closed", "open", "session")


def test_disable_without_an_end_never_ends_by_itself(world: World, clock: ManualClock) -> None:
    with world.committed(clock=clock) as breaker:
        breaker.disable("until I say so", actor="alice")
        clock.advance(timedelta(days=3650))
        assert breaker.is_disabled()
        breaker.report_drift(GOOD)
        assert breaker.is_disabled()


def test_disable_with_an_end_recovers_then(world: World, clock: ManualClock) -> None:
    with world.committed(clock=clock) as breaker:
        breaker.disable("maintenance", actor="alice", until=clock.now() + HOUR)
        clock.advance(HOUR - timedelta(milliseconds=1))
        assert breaker.is_disabled()
        clock.advance(timedelta(milliseconds=1))
        assert not breaker.is_disabled()


@pytest.mark.parametrize("later", [timedelta(0), -timedelta(minutes=1)])
def test_same_reason_and_no_later_end_changes_nothing(world: World, clock: ManualClock, later: timedelta) -> None:
    until = clock.now() + HOUR
    with world.committed(clock=clock) as breaker:
        breaker.disable("maintenance", actor="alice", until=until)
    before = world.everything()
    with world.committed(clock=clock) as breaker:
        assert breaker.disable("maintenance", actor="bob", until=until + later) == (False, None)
    assert world.everything() == before


def test_same_reason_without_an_end_is_not_shortened(world: World, clock: ManualClock) -> None:
    with world.committed(clock=clock) as breaker:
        breaker.disable("maintenance", actor="alice")
        assert breaker.disable("maintenance", actor="bob", until=clock.now() + HOUR) == (False, None)
        assert breaker.disable("maintenance", actor="bob") == (False, None)
        assert breaker.get_state().disabled_until is None


@pytest.mark.parametrize("end", [timedelta(hours=2), None])
def test_same_reason_and_a_later_end_extends(world: World, clock: ManualClock, end: timedelta | None) -> None:
    until = None if end is None else clock.now() + end
    with world.committed(clock=clock) as breaker:
        _, first = breaker.disable("maintenance", actor="alice", until=clock.now() + HOUR)
        clock.advance(timedelta(minutes=5))
        changed, present = breaker.disable("maintenance", actor="bob", until=until)
        state = breaker.get_state()
    assert changed is True
    assert present.id == first.id
    assert (state.disabled_until, state.disabled_by, state.opened_at) == (until, "alice", first.timestamp)
    assert world.count("incidents") == 1
    assert world.rows("incidents")[0]["until"] == until
    (alert,) = world.rows("outbox")
    assert (alert["ends_at"], alert["starts_at"], alert["state"]) == (until, first.timestamp, "firing")
    assert changes(world) == ["disable", "extend"]
    assert world.rows("history")[-1]["actor"] == "bob"


def test_another_reason_supersedes_the_incident(world: World, clock: ManualClock) -> None:
    with world.committed(clock=clock) as breaker:
        _, first = breaker.disable("maintenance", actor="alice")
        clock.advance(HOUR)
        changed, second = breaker.disable("something worse", actor="bob")
        state = breaker.get_state()
    assert changed is True
    assert second.id != first.id
    assert (state.reason, state.disabled_by, state.incident_id) == ("something worse", "bob", second.id)
    assert state.opened_at == first.timestamp, "it has been open since"
    old, new = world.rows("incidents")
    assert (old["status"], old["superseded_by"], old["resolved_by"]) == ("superseded", second.id, "bob")
    assert old["resolved_at"] == clock.now()
    assert new["resolved_at"] is None
    assert changes(world) == ["disable", "supersede"]


def test_superseding_with_equal_labels_keeps_the_alert_firing_since(world: World, clock: ManualClock) -> None:
    with world.committed(clock=clock) as breaker:
        _, first = breaker.disable("maintenance", actor="alice")
        clock.advance(HOUR)
        _, second = breaker.disable("something worse", actor="bob", until=clock.now() + HOUR)
    (alert,) = world.rows("outbox")
    assert (alert["state"], alert["starts_at"], alert["incident_id"]) == ("firing", first.timestamp, second.id)
    assert (alert["ends_at"], alert["version"]) == (clock.now() + HOUR, 2)


def test_disable_supersedes_a_trip_and_its_time_to_live(world: World, clock: ManualClock) -> None:
    with world.committed(clock=clock) as breaker:
        tripped = trip(breaker)
        clock.advance(HOUR)
        _, incident = breaker.disable("stay off", actor="alice")
        clock.advance(timedelta(days=365))
        assert breaker.is_disabled(), "the trip's time to live does not undo a disable by hand"
    assert incident.severity == "P2"
    old, new = sorted(world.rows("outbox"), key=lambda row: row["state"], reverse=True)
    assert (old["state"], old["labels"]["priority"], old["incident_id"]) == ("resolved", "P1", tripped.id)
    assert (new["state"], new["labels"]["priority"], new["incident_id"]) == ("firing", "P2", incident.id)


def test_later_trip_does_not_shorten_a_disable(world: World, clock: ManualClock) -> None:
    with world.committed(clock=clock) as breaker:
        breaker.disable("stay off", actor="alice")
        for _ in range(5):
            assert breaker.report_drift(BAD) is None
        assert breaker.get_state().disabled_until is None


def test_trips_reason_extends_the_trip(world: World, clock: ManualClock) -> None:
    with world.committed(clock=clock) as breaker:
        tripped = trip(breaker)
        changed, incident = breaker.disable(tripped.reason, actor="alice")
        clock.advance(timedelta(days=365))
        assert breaker.is_disabled(), "without an end it no longer recovers by itself"
        state = breaker.get_state()
    assert (changed, incident.id, incident.severity) == (True, tripped.id, "P1")
    assert (state.disabled_by, state.incident_id) == ("circuit_breaker", tripped.id)
    assert world.count("outbox") == 1


def test_end_in_the_past_is_on_record_and_over_at_once(world: World, clock: ManualClock) -> None:
    with world.committed(clock=clock) as breaker:
        changed, incident = breaker.disable("too late", actor="alice", until=clock.now() - HOUR)
        assert changed is True
        assert breaker.is_disabled() is False
        (read,) = breaker.get_incidents(include_resolved=True)
        assert (read.resolved, read.resolved_at, read.resolved_by) == (True, incident.timestamp, "system-auto-recover")
        breaker.report_drift(BAD)
    (stored,) = world.rows("incidents")
    assert stored["resolved_at"] == stored["ts"] == incident.timestamp, "never before it opened"
    assert world.rows("outbox")[0]["ends_at"] == incident.timestamp
    assert changes(world) == ["disable", "recover"]


def test_superseding_with_an_end_in_the_past_ends_no_earlier_than_its_incident(
    world: World, clock: ManualClock
) -> None:
    with world.committed(clock=clock) as breaker:
        breaker.disable("maintenance", actor="alice")
        clock.advance(HOUR)
        _, second = breaker.disable("too late", actor="bob", until=clock.now() - timedelta(minutes=30))
        assert breaker.is_disabled() is False
        assert breaker.get_incidents(include_resolved=True)[0].resolved_at == second.timestamp
        breaker.reset("look", actor="bob")
    assert world.rows("incidents")[-1]["resolved_at"] == second.timestamp


def test_enable_closes_and_resolves_everything(world: World, clock: ManualClock) -> None:
    with world.committed(clock=clock) as breaker:
        incident = trip(breaker)
        clock.advance(HOUR)
        assert breaker.enable("checked by hand", actor="alice") is True
        state = breaker.get_state()
    assert not state.is_open
    assert (state.reason, state.incident_id, state.disabled_by, state.opened_at, state.disabled_until) == (None,) * 5
    assert (state.consecutive_failures, state.last_failure_at) == (0, incident.timestamp)
    (stored,) = world.rows("incidents")
    assert (stored["status"], stored["resolved_by"], stored["resolution_notes"]) == (
        "resolved",
        "alice",
        "checked by hand",
    )
    (alert,) = world.rows("outbox")
    assert (alert["state"], alert["starts_at"], alert["ends_at"]) == ("resolved", incident.timestamp, clock.now())
    assert changes(world) == ["trip", "enable"]


def test_enable_on_a_closed_breaker_changes_nothing(world: World) -> None:
    with world.committed() as breaker:
        assert breaker.enable("fine", actor="alice") is False
    assert world.count("breakers") == 0, "and makes no row"
    with world.committed() as breaker:
        breaker.report_drift(BAD)
    before = world.everything()
    with world.committed() as breaker:
        assert breaker.enable("fine", actor="alice") is False
    assert world.everything() == before


def test_reset_closes_like_enable(world: World) -> None:
    with world.committed() as breaker:
        trip(breaker)
        assert breaker.reset("start over", actor="alice") is True
        assert breaker.get_state().consecutive_failures == 0
    assert changes(world) == ["trip", "reset"]


def test_reset_on_a_closed_breaker_still_clears_the_streak(world: World) -> None:
    with world.committed() as breaker:
        breaker.report_drift(BAD)
        breaker.report_schema_error(2)
        version = breaker.get_state().version
        assert breaker.reset("start over", actor="alice") is False
        state = breaker.get_state()
    assert (state.consecutive_failures, state.schema_errors, state.version) == (0, 0, version)
    assert changes(world) == ["reset"]
    with world.committed() as breaker:
        assert breaker.reset("nothing to do", actor="alice") is False
    assert changes(world) == ["reset"]


@pytest.mark.parametrize("report", ["report_drift", "report_schema_error"])
def test_reset_clears_the_one_count_without_the_other(world: World, report: str) -> None:
    with world.committed() as breaker:
        getattr(breaker, report)(1)
        breaker.reset("start over", actor="alice")
        state = breaker.get_state()
    assert (state.consecutive_failures, state.schema_errors) == (0, 0)
    assert changes(world) == ["reset"]


def test_reset_of_a_forced_breaker_clears_what_it_counted(world: World, clock: ManualClock) -> None:
    with world.committed(clock=clock) as breaker:
        breaker.force_on("known drift", actor="alice", until=clock.now() + HOUR)
        breaker.report_drift(BAD)
        breaker.report_schema_error(2)
        breaker.reset("start over", actor="alice")
        state = breaker.get_state()
    assert (state.consecutive_failures, state.schema_errors, state.forced_until) == (0, 0, None)


def test_reset_without_a_row_makes_none(world: World) -> None:
    with world.committed() as breaker:
        assert breaker.reset("nothing", actor="alice") is False
    assert world.count("breakers") == 0


def test_same_labels_fire_again_for_the_next_incident(world: World, clock: ManualClock) -> None:
    with world.committed(clock=clock) as breaker:
        trip(breaker)
        breaker.enable("fine", actor="alice")
        clock.advance(HOUR)
        second = trip(breaker)
    (alert,) = world.rows("outbox")
    assert (alert["state"], alert["incident_id"], alert["starts_at"]) == ("firing", second.id, clock.now())
    assert alert["version"] == 3


def test_hold_keeps_incident_labels_and_severity(world: World, clock: ManualClock) -> None:
    until = clock.now() + timedelta(days=3)
    with world.committed(clock=clock) as breaker:
        tripped = trip(breaker)
        clock.advance(HOUR)
        assert breaker.hold("until Monday", actor="alice", until=until) is True
        state = breaker.get_state()
        clock.advance(timedelta(hours=30))
        assert breaker.is_open(), "the time to live does not end it"
        clock.advance(timedelta(days=2))
        assert not breaker.is_open(), "the person's end does"
    assert (state.incident_id, state.reason, state.disabled_by) == (tripped.id, tripped.reason, "circuit_breaker")
    assert (state.held_by, state.held_until, state.held_reason) == ("alice", until, "until Monday")
    assert (state.opened_at, state.disabled_until) == (tripped.timestamp, until)
    assert world.count("incidents") == world.count("outbox") == 1
    assert world.rows("outbox")[0]["ends_at"] == until
    assert changes(world) == ["trip", "hold"]


def test_hold_without_an_end_lasts_until_enabled(world: World, clock: ManualClock) -> None:
    with world.committed(clock=clock) as breaker:
        trip(breaker)
        assert breaker.hold("for good", actor="alice", until=None)
        clock.advance(timedelta(days=999))
        assert breaker.is_disabled()
        assert breaker.enable("fixed", actor="alice")
        assert breaker.get_state().held_by is None


def test_hold_on_a_closed_or_expired_breaker_answers_false(world: World, clock: ManualClock) -> None:
    with world.committed(clock=clock) as breaker:
        assert breaker.hold("nothing there", actor="alice", until=None) is False
        trip(breaker)
        clock.advance(timedelta(days=2))
        assert breaker.hold("too late", actor="alice", until=None) is False
    assert changes(world) == ["trip", "recover"]


@pytest.mark.parametrize("ago", [timedelta(0), HOUR])
def test_hold_and_force_refuse_an_end_that_is_past(world: World, clock: ManualClock, ago: timedelta) -> None:
    with world.committed(clock=clock) as breaker:
        trip(breaker)
    before = world.everything()
    with world.committed(clock=clock) as breaker:
        with pytest.raises(ValueError, match="hold: until must lie ahead"):
            breaker.hold("late", actor="alice", until=clock.now() - ago)
        with pytest.raises(ValueError, match="force_on: until must lie ahead"):
            breaker.force_on("late", actor="alice", until=clock.now() - ago)
    assert world.everything() == before


@pytest.mark.parametrize("beyond", [timedelta(0), timedelta(seconds=1)])
def test_forced_on_counts_and_never_trips(world: World, clock: ManualClock, beyond: timedelta) -> None:
    until = clock.now() + HOUR
    with world.committed(clock=clock) as breaker:
        assert breaker.force_on("known drift", actor="alice", until=until) is False
        for _ in range(5):
            assert breaker.report_drift(BAD) is None
        assert breaker.report_schema_error(50) is None
        state = breaker.get_state()
        assert (state.consecutive_failures, state.schema_errors, state.forced_until) == (5, 50, until)
        clock.advance(HOUR + beyond)
        assert breaker.get_state().forced_until is None
        assert breaker.report_drift(BAD) is not None, "the force has ended"
        assert breaker.get_state().consecutive_failures == 6
    assert changes(world) == ["force_on", "trip"]
    assert world.row()["forced_until"] is None


@pytest.mark.parametrize("beyond", [timedelta(0), timedelta(seconds=1)])
def test_schema_errors_trip_after_a_force_has_ended(world: World, clock: ManualClock, beyond: timedelta) -> None:
    with world.committed(clock=clock) as breaker:
        breaker.force_on("known drift", actor="alice", until=clock.now() + timedelta(minutes=1))
        assert breaker.report_schema_error(5) is None
        clock.advance(timedelta(minutes=1) + beyond)
        assert breaker.report_schema_error(1).sample_count == 6


def test_force_on_closes_an_open_breaker(world: World, clock: ManualClock) -> None:
    with world.committed(clock=clock) as breaker:
        trip(breaker)
        assert breaker.force_on("known drift", actor="alice", until=clock.now() + HOUR) is True
        assert breaker.is_closed()
        for _ in range(5):
            assert breaker.report_drift(BAD) is None
    assert world.rows("incidents")[0]["resolved_by"] == "alice"
    assert world.rows("outbox")[0]["state"] == "resolved"


def test_disable_and_reset_end_a_force(world: World, clock: ManualClock) -> None:
    for end in ("disable", "reset"):
        with world.committed(end, clock=clock) as breaker:
            breaker.force_on("known drift", actor="alice", until=clock.now() + HOUR)
            version = breaker.get_state().version
            getattr(breaker, end)("enough", actor="bob")
            assert breaker.get_state().forced_until is None
            assert breaker.get_state().version == version + 1
            breaker.reset("start over", actor="bob")
            assert trip(breaker)


def test_extending_a_held_disable_ends_the_hold(world: World, clock: ManualClock) -> None:
    with world.committed(clock=clock) as breaker:
        breaker.disable("maintenance", actor="alice", until=clock.now() + HOUR)
        breaker.hold("a bit more", actor="bob", until=clock.now() + 2 * HOUR)
        breaker.disable("maintenance", actor="carol", until=clock.now() + 3 * HOUR)
        state = breaker.get_state()
    assert (state.disabled_until, state.held_by) == (clock.now() + 3 * HOUR, None)
    assert changes(world) == ["disable", "hold", "extend"]


def test_versions_and_generations_tell_changes_apart(world: World, clock: ManualClock) -> None:
    with world.committed(clock=clock, settings=NO_TTL) as breaker:
        seen = []

        def look() -> None:
            state = breaker.get_state()
            seen.append((state.generation, state.version))

        trip(breaker)
        look()
        breaker.report_drift(BAD)
        breaker.hold("longer", actor="alice", until=clock.now() + HOUR)
        look()
        breaker.disable("other", actor="alice")
        look()
        breaker.enable("fine", actor="alice")
        look()
        breaker.report_drift(BAD)
        breaker.report_drift(GOOD)
        look()
    assert seen == [(1, 1), (1, 2), (1, 3), (2, 4), (2, 4)]
    stored = [(row["generation"], row["version"]) for row in world.rows("history")]
    assert stored == [(1, 1), (1, 2), (1, 3), (2, 4)]


def test_every_change_is_on_record_with_the_version_that_it_made(world: World, clock: ManualClock) -> None:
    with world.committed(clock=clock, settings=NO_TTL) as breaker:
        later = clock.now() + HOUR
        steps = {
            "force_on": lambda: breaker.force_on("known drift", actor="alice", until=later),
            "reset": lambda: breaker.reset("enough", actor="alice"),
            "disable": lambda: breaker.disable("off", actor="alice", until=later),
            "extend": lambda: breaker.disable("off", actor="alice", until=later + HOUR),
            "hold": lambda: breaker.hold("longer", actor="alice", until=later),
            "supersede": lambda: breaker.disable("worse", actor="alice"),
            "enable": lambda: breaker.enable("fine", actor="alice"),
            "trip": lambda: trip(breaker),
        }
        for number, (change, step) in enumerate(steps.items(), start=1):
            step()
            newest, state = breaker.get_history(limit=1)[0], breaker.get_state()
            assert (newest.change, newest.version) == (change, number)
            assert (state.version, state.generation) == (newest.version, newest.generation)


def test_a_door_without_settings_acts_on_behalf_of_the_services(world: World) -> None:
    """An administrator's script must not fire an alert under labels that the service's own trip does not have."""
    from driftbreaker import AlertSettings

    services = BreakerSettings(auto_recover=False, alert=AlertSettings(alertname="Pricing", labels={"env": "prod"}))
    with world.committed(settings=services) as breaker:
        breaker.report_drift(BAD)
    with world.committed(settings=None) as script:
        script.disable("from a script", actor="alice")
    (alert,) = world.rows("outbox")
    assert (alert["labels"]["alertname"], alert["labels"]["env"]) == ("Pricing", "prod")
    assert world.row()["auto_recover"] is False
    assert world.row()["settings_hash"] == services.hash
