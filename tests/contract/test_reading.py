"""Checks, states and lists: the same truth for every reader, and nothing written to find it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from driftbreaker import BreakerSettings
from driftbreaker.testing import ManualClock
from tests.contract.steps import BAD, GOOD, HOUR, changes, trip
from tests.support.worlds import TABLES, World


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def read_all(breaker: object) -> None:
    for read in ("is_disabled", "is_open", "is_closed", "get_state", "get_incidents", "get_history"):
        getattr(breaker, read)()


def test_unknown_breaker_is_closed_and_gets_no_row(world: World) -> None:
    with world.committed() as breaker:
        assert (breaker.is_disabled(), breaker.is_open(), breaker.is_closed()) == (False, False, True)
        state = breaker.get_state()
        assert (state.is_open, state.status, state.version, state.generation) == (False, "closed", 0, 0)
        assert breaker.get_incidents(include_resolved=True) == []
        assert breaker.get_history() == []
    assert world.everything() == {"breakers": [], "incidents": [], "outbox": [], "history": []}


def test_the_three_readers_agree(world: World, clock: ManualClock) -> None:
    with world.committed(clock=clock) as breaker:

        def agree() -> bool:
            answers = {breaker.is_disabled(), breaker.is_open(), not breaker.is_closed(), breaker.get_state().is_open}
            assert len(answers) == 1
            return answers.pop()

        assert agree() is False
        trip(breaker)
        assert agree() is True
        clock.advance(timedelta(hours=24))
        assert agree() is False
        breaker.disable("by hand", actor="alice")
        assert agree() is True
        breaker.enable("fine", actor="alice")
        assert agree() is False


def test_readers_write_nothing(world: World, clock: ManualClock) -> None:
    with world.committed(clock=clock) as breaker:
        trip(breaker)
    before = world.everything()
    with world.committed(clock=clock) as breaker:
        read_all(breaker)
    assert world.everything() == before


def test_state_while_open_tells_all(world: World, clock: ManualClock) -> None:
    with world.committed(clock=clock) as breaker:
        incident = trip(breaker)
        state = breaker.get_state()
    assert (state.status, state.opened_at, state.incident_id) == ("open", clock.now(), incident.id)
    assert (state.reason, state.disabled_by, state.consecutive_failures) == (incident.reason, "circuit_breaker", 3)
    assert state.disabled_until == clock.now() + timedelta(hours=24)
    assert state.to_dict()["opened_at"] == clock.now().isoformat()


def test_state_says_when_it_recovers_and_that_it_never_does(world: World, clock: ManualClock) -> None:
    end = clock.now() + HOUR
    with world.committed(clock=clock) as breaker:
        assert breaker.get_state().recovers_at is None, "closed: there is nothing to recover from"
        breaker.disable("a while", actor="alice", until=end)
        assert breaker.get_state().recovers_at == end
        breaker.hold("longer", actor="bob", until=None)
        assert breaker.get_state().recovers_at is None
    by_hand = BreakerSettings(auto_recover=False)
    with world.committed("by hand", clock=clock, settings=by_hand) as breaker:
        breaker.disable("a while", actor="alice", until=end)
        clock.advance(2 * HOUR)
        state = breaker.get_state()
    assert (state.is_open, state.disabled_until, state.recovers_at) == (True, end, None)


def test_a_scope_recovers_with_its_whole(world: World, clock: ManualClock) -> None:
    end = clock.now() + HOUR
    with world.committed(clock=clock) as breaker:
        breaker.disable("a while", actor="alice", until=end)
    with world.committed(clock=clock, scope="eu") as breaker:
        assert breaker.get_state().recovers_at == end


def test_state_says_who_forced_it_on_and_why_as_long_as_that_lasts(world: World, clock: ManualClock) -> None:
    end = clock.now() + HOUR
    with world.committed(clock=clock) as breaker:
        breaker.force_on("demo day", actor="eve", until=end)
        state = breaker.get_state()
        assert (state.forced_until, state.forced_by, state.forced_reason) == (end, "eve", "demo day")
        clock.advance(HOUR)
        state = breaker.get_state()
        assert (state.forced_until, state.forced_by, state.forced_reason) == (None, None, None)


def test_opened_at_does_not_move_with_later_updates(world: World, clock: ManualClock) -> None:
    with world.committed(clock=clock) as breaker:
        opened_at = trip(breaker).timestamp
        for step in (
            lambda: breaker.report_drift(BAD),
            lambda: breaker.hold("longer", actor="alice", until=clock.now() + timedelta(days=9)),
            lambda: breaker.disable("another", actor="alice"),
        ):
            clock.advance(HOUR)
            step()
            assert breaker.get_state().opened_at == opened_at


def test_expired_breaker_reads_as_closed_with_all_cleared(world: World, clock: ManualClock) -> None:
    with world.committed(clock=clock) as breaker:
        breaker.report_schema_error(1)
        incident = trip(breaker)
    before = world.everything()
    clock.advance(timedelta(hours=30))
    with world.committed(clock=clock) as breaker:
        state = breaker.get_state()
        assert breaker.get_incidents() == [], "its incident is resolved"
        (read,) = breaker.get_incidents(include_resolved=True)
    assert (state.is_open, state.status, state.last_failure_at) == (False, "closed", incident.timestamp)
    assert (state.reason, state.incident_id, state.disabled_by, state.opened_at, state.disabled_until) == (None,) * 5
    assert (state.consecutive_failures, state.schema_errors) == (0, 0)
    assert (read.resolved, read.resolved_by) == (True, "system-auto-recover")
    assert read.resolved_at == incident.timestamp + timedelta(hours=24)
    assert world.everything() == before, "read, not written"


def test_an_expired_breaker_has_the_version_that_its_recovery_will_have(world: World, clock: ManualClock) -> None:
    with world.committed(clock=clock) as breaker:
        trip(breaker)
    clock.advance(timedelta(hours=30))
    with world.committed(clock=clock) as breaker:
        read = breaker.get_state()
        breaker.report_drift(0.0)
        written = breaker.get_state()
    assert changes(world) == ["trip", "recover"]
    assert (read.generation, read.version) == (written.generation, written.version) == (2, 2)


def test_no_column_of_an_expired_breaker_shows_its_opening(world: World, clock: ManualClock) -> None:
    with world.committed(clock=clock) as breaker:
        trip(breaker)
        breaker.hold("longer", actor="alice", until=clock.now() + HOUR)
        clock.advance(HOUR)
        state = breaker.get_state()
    assert (state.held_by, state.held_until, state.held_reason, state.open_scope) == (None,) * 4


def test_incidents_come_newest_first_and_at_most_as_many_as_asked(world: World, clock: ManualClock) -> None:
    with world.committed(clock=clock) as breaker:
        ids = []
        for number in range(4):  # all at one instant: the sequence decides
            ids.append(breaker.disable(f"reason {number}", actor="alice")[1].id)
        clock.advance(HOUR)
        ids.append(breaker.disable("reason 4", actor="alice")[1].id)
        assert [each.id for each in breaker.get_incidents()] == [ids[-1]]
        assert [each.id for each in breaker.get_incidents(include_resolved=True)] == ids[::-1]
        assert [each.id for each in breaker.get_incidents(include_resolved=True, limit=2)] == ids[:2:-1]
        assert breaker.get_incidents(include_resolved=True, limit=0) == []


def test_incidents_default_to_ten(world: World) -> None:
    with world.committed() as breaker:
        for number in range(12):
            breaker.disable(f"reason {number}", actor="alice")
        assert len(breaker.get_incidents(include_resolved=True)) == 10


def test_incidents_belong_to_one_breaker(world: World) -> None:
    with world.committed() as breaker:
        trip(breaker)
    with world.committed("other") as other:
        assert other.get_incidents(include_resolved=True) == []
        assert other.get_history() == []


def test_history_pages_from_newest_to_oldest(world: World) -> None:
    with world.committed() as breaker:
        for number in range(5):
            breaker.disable(f"reason {number}", actor="alice")
        first = breaker.get_history(limit=2)
        rest = breaker.get_history(before=first[-1].seq)
    assert [entry.reason for entry in first] == ["reason 4", "reason 3"]
    assert [entry.reason for entry in rest] == ["reason 2", "reason 1", "reason 0"]
    assert breaker.name == first[0].name


def test_history_entry_tells_who_what_why_when(world: World, clock: ManualClock) -> None:
    with world.committed(clock=clock) as breaker:
        incident = trip(breaker)
        (entry,) = breaker.get_history()
    assert (entry.change, entry.old_status, entry.new_status, entry.at) == ("trip", "closed", "open", clock.now())
    assert (entry.actor, entry.actor_kind, entry.source, entry.door) == (
        "circuit_breaker",
        "system",
        "system",
        "session",
    )
    assert (entry.reason, entry.incident_id, entry.generation, entry.version) == (incident.reason, incident.id, 1, 1)
    assert entry.to_dict()["at"] == clock.now().isoformat()


def test_open_whole_opens_every_scope(world: World) -> None:
    with world.committed() as whole:
        incident = whole.disable("everything", actor="alice")[1]
    with world.committed(scope="gpt-4") as scoped:
        assert scoped.is_disabled()
        assert scoped.is_open()
        state = scoped.get_state()
        assert (state.is_open, state.open_scope, state.incident_id) == (True, "", incident.id)
        assert scoped.get_incidents() == [], "its own it has none of"
    assert world.count("breakers") == 1


def test_open_scope_leaves_the_whole_and_its_siblings_alone(world: World) -> None:
    with world.committed(scope="gpt-4") as scoped:
        trip(scoped)
        assert scoped.get_state().open_scope == "gpt-4"
    with world.committed() as whole, world.committed(scope="gpt-5") as sibling:
        assert whole.is_closed()
        assert sibling.is_closed()


def test_scopes_count_each_for_itself(world: World) -> None:
    for scope in ("", "gpt-4", "gpt-5"):
        with world.committed(scope=scope) as breaker:
            breaker.report_drift(BAD)
            breaker.report_drift(BAD)
    with world.committed(scope="gpt-4") as breaker:
        breaker.report_drift(GOOD)
    with world.committed(scope="gpt-5") as breaker:
        assert breaker.report_drift(BAD) is not None
    assert [row["failures"] for row in world.rows("breakers")] == [2, 0, 3]


def test_two_scopes_never_share_an_alert(world: World) -> None:
    for scope in ("gpt-4", "gpt-5"):
        with world.committed(scope=scope) as breaker:
            trip(breaker)
    alerts = world.rows("outbox")
    assert {alert["labels"]["scope"] for alert in alerts} == {"gpt-4", "gpt-5"}
    with world.committed(scope="gpt-4") as breaker:
        breaker.enable("fine", actor="alice")
    assert {row["labels"]["scope"]: row["state"] for row in world.rows("outbox")} == {
        "gpt-4": "resolved",
        "gpt-5": "firing",
    }


def test_a_scopes_expiry_does_not_hide_that_the_whole_is_open(world: World, clock: ManualClock) -> None:
    with world.committed(clock=clock) as whole:
        whole.disable("everything", actor="alice")
    with world.committed(scope="gpt-4", clock=clock) as scoped:
        trip(scoped)
        clock.advance(timedelta(hours=25))
        assert scoped.is_disabled()
        assert scoped.get_state().reason == "everything"


def test_expired_whole_does_not_open_its_scopes(world: World, clock: ManualClock) -> None:
    with world.committed(clock=clock) as whole:
        trip(whole)
    clock.advance(timedelta(hours=24))
    with world.committed(scope="gpt-4", clock=clock) as scoped:
        assert scoped.is_disabled() is False
    assert changes(world) == ["trip"], "a scope's check leaves the whole's recovery to others"


def test_half_open_reads_as_open_and_does_not_expire(world: World, clock: ManualClock) -> None:
    """Probation: only an admitted call may run the candidate, so every reader still answers open."""
    with world.committed(clock=clock) as breaker:
        trip(breaker)
    with world.outside.begin() as connection:
        connection.execute(update(TABLES.breakers).values(status="half_open"))
    before = world.everything()
    clock.advance(timedelta(days=2))
    with world.committed(clock=clock) as breaker:
        assert breaker.is_disabled()
        assert breaker.get_state().status == "half_open"
        breaker.report_drift(BAD)
        breaker.report_drift(GOOD)
        breaker.report_schema_error(9)
    assert world.everything() == before
