"""What people do about an incident: take it, give it to somebody, write to it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from driftbreaker import BreakerSettings, Event, InvalidArgumentError, listen
from driftbreaker.model import IncidentStatus
from driftbreaker.testing import ManualClock
from tests.contract.steps import HOUR, changes, trip
from tests.support.worlds import World

ACTIONS: dict[str, Callable[[Any], Any]] = {
    "acknowledge": lambda breaker: breaker.acknowledge("on it", actor="alice"),
    "assign": lambda breaker: breaker.assign("bob", "his code", actor="alice"),
    "add_note": lambda breaker: breaker.add_note("looks like the cache", actor="alice"),
}
NOTHING = {"acknowledge": (False, None), "assign": (False, None), "add_note": None}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def test_whoever_acknowledges_first_is_on_it(world: World, clock: ManualClock) -> None:
    with world.committed(clock=clock) as breaker:
        trip(breaker)
    clock.advance(HOUR)
    with world.committed(clock=clock) as breaker:
        changed, incident = breaker.acknowledge("on it", actor="alice")
        assert changed
        assert (incident.acknowledged_by, incident.acknowledged_at) == ("alice", clock.now())
        assert (incident.status, incident.resolved) == (IncidentStatus.ACKNOWLEDGED, False)
        assert breaker.get_incidents() == [incident]
    clock.advance(HOUR)
    with world.committed(clock=clock) as breaker:
        changed, incident = breaker.acknowledge("me too", actor="bob")
        assert (changed, incident.acknowledged_by) == (False, "alice")
    entry = world.rows("history")[-1]
    assert (entry["change"], entry["actor"], entry["reason"]) == ("acknowledge", "alice", "on it")
    assert (entry["source"], entry["door"], entry["old_status"], entry["new_status"]) == (
        "claimed",
        "session",
        "open",
        "open",
    )
    assert changes(world) == ["trip", "acknowledge"]


def test_an_acknowledged_incident_goes_on_firing_and_is_resolved_like_any(world: World) -> None:
    with world.committed() as breaker:
        trip(breaker)
        breaker.acknowledge("on it", actor="alice")
    assert [(row["state"], row["version"]) for row in world.rows("outbox")] == [("firing", 1)]
    with world.committed() as breaker:
        assert breaker.enable("mended", actor="alice")
        (incident,) = breaker.get_incidents(include_resolved=True)
    assert (incident.status, incident.acknowledged_by) == (IncidentStatus.RESOLVED, "alice")


def test_an_incident_is_given_to_somebody_and_to_nobody(world: World) -> None:
    with world.committed() as breaker:
        trip(breaker)
        assert breaker.assign("bob", "his code", actor="alice")[0]
        changed, incident = breaker.assign("bob", "still his", actor="carol")
        assert (changed, incident.assigned_to) == (False, "bob")
        changed, incident = breaker.assign(None, "bob is ill", actor="alice")
        assert (changed, incident.assigned_to) == (True, None)
    details = [row["details"] for row in world.rows("history") if row["change"] == "assign"]
    assert details == [{"old": None, "new": "bob"}, {"old": "bob", "new": None}]


def test_notes_default_to_the_first_fifty(world: World) -> None:
    with world.committed() as breaker:
        incident = trip(breaker)
        notes = [breaker.add_note(f"note {number}", actor="alice") for number in range(51)]
        assert breaker.get_notes(incident.id) == notes[:50]


def test_notes_are_kept_in_their_order_and_on_record(world: World, clock: ManualClock) -> None:
    with world.committed(clock=clock) as breaker:
        incident = trip(breaker)
        first = breaker.add_note("looks like the cache", actor="alice")
        clock.advance(HOUR)
        second = breaker.add_note("it was the cache", actor="bob")
        assert breaker.get_notes(incident.id) == [first, second]
        assert breaker.get_notes(incident.id, limit=1) == [first]
        assert (second.at, second.actor, second.door, second.source) == (clock.now(), "bob", "session", "claimed")
    assert [(row["reason"], row["incident_id"]) for row in world.rows("history")[1:]] == [
        ("looks like the cache", incident.id),
        ("it was the cache", incident.id),
    ]


def test_whatever_is_done_about_an_incident_is_on_record_with_it(world: World) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    with world.committed() as breaker:
        breaker.disable("off", actor="alice", until=tomorrow)
        (incident,) = breaker.get_incidents()
        breaker.acknowledge("on it", actor="bob")
        breaker.assign("carol", "knows prices", actor="bob")
        breaker.disable("off", actor="alice", until=tomorrow + timedelta(days=1))
        breaker.hold("till noon", actor="bob", until=tomorrow)
        breaker.enable("fixed", actor="alice")
        breaker.add_note("it was the cache", actor="bob", incident_id=incident.id)
    rows = world.rows("history")
    expected = ["disable", "acknowledge", "assign", "extend", "hold", "enable", "note"]
    assert [(row["change"], row["incident_id"]) for row in rows] == [(change, incident.id) for change in expected]


def test_a_note_can_be_written_when_all_is_over(world: World) -> None:
    with world.committed() as breaker:
        incident = trip(breaker)
        breaker.enable("mended", actor="alice")
        assert breaker.add_note("what it was", actor="alice") is None
        note = breaker.add_note("what it was", actor="alice", incident_id=incident.id)
        assert breaker.get_notes(incident.id) == [note]
    assert world.rows("history")[-1]["new_status"] == "closed"


@pytest.mark.parametrize("action", ACTIONS)
def test_without_an_incident_nothing_happens(world: World, action: str) -> None:
    with world.committed() as breaker:
        assert ACTIONS[action](breaker) == NOTHING[action]
    assert world.count("breakers") == world.count("history") == 0


@pytest.mark.parametrize("action", ACTIONS)
def test_an_expired_incident_is_over(world: World, clock: ManualClock, action: str) -> None:
    with world.committed(clock=clock) as breaker:
        trip(breaker)
    clock.advance(timedelta(hours=25))
    with world.committed(clock=clock) as breaker:
        assert ACTIONS[action](breaker) == NOTHING[action]
    assert changes(world) == ["trip", "recover"]


@pytest.mark.parametrize("action", ["acknowledge", "assign"])
def test_an_incident_that_was_superseded_is_not_taken_for_its_successor(world: World, action: str) -> None:
    with world.committed() as breaker:
        first = trip(breaker)
        breaker.disable("for another reason", actor="carol")
        arguments = {"acknowledge": ("on it",), "assign": ("bob", "his code")}[action]
        changed, incident = getattr(breaker, action)(*arguments, actor="alice", incident_id=first.id)
        assert (changed, incident.id, incident.status) == (False, first.id, IncidentStatus.SUPERSEDED)
    assert changes(world) == ["trip", "supersede"]


def test_a_scopes_incident_is_its_own(world: World) -> None:
    with world.committed() as breaker:
        incident = trip(breaker)
    with world.committed(scope="gpt-4") as scoped:
        assert scoped.acknowledge("on it", actor="alice") == (False, None)
        with pytest.raises(InvalidArgumentError, match="has no incident"):
            scoped.add_note("wrong place", actor="alice", incident_id=incident.id)
    assert world.count("notes") == 0


@pytest.mark.parametrize("action", ACTIONS)
def test_each_is_a_version_of_its_own_but_for_notes(world: World, action: str) -> None:
    with world.committed() as breaker:
        trip(breaker)
        before = breaker.get_state()
        ACTIONS[action](breaker)
        after = breaker.get_state()
    assert after.version == before.version + (action != "add_note")
    assert after.generation == before.generation
    assert world.rows("history")[-1]["version"] == after.version


@pytest.mark.parametrize("action", ACTIONS)
def test_a_rollback_leaves_nothing(world: World, action: str) -> None:
    with world.committed() as breaker:
        trip(breaker)
    before = world.everything(), world.rows("notes")
    with world.session() as session:
        ACTIONS[action](world.breaker(session))
        session.rollback()
    assert (world.everything(), world.rows("notes")) == before


def test_listeners_hear_of_it_after_the_commit(world: World) -> None:
    told: list[Event] = []
    with world.committed() as breaker:
        trip(breaker)
    remove = listen(told.append)
    try:
        with world.committed() as breaker:
            for act in ACTIONS.values():
                act(breaker)
            assert told == []
    finally:
        remove()
    assert [event.kind for event in told] == ["acknowledge", "assign", "note"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda b: b.acknowledge(" ", actor="alice"), "reason must be text"),
        (lambda b: b.acknowledge("on it", actor=""), "actor must be text"),
        (lambda b: b.acknowledge("on it", actor="alice", incident_id=""), "incident_id must be an incident's id"),
        (lambda b: b.acknowledge("on it", actor="alice", incident_id=7), "incident_id must be an incident's id"),
        (lambda b: b.acknowledge("on it", actor="alice", incident_id="nobody's"), 'has no incident "nobody\'s"'),
        (lambda b: b.assign("", "his", actor="alice"), "to must be text"),
        (lambda b: b.assign("bob", None, actor="alice"), "reason must be text"),
        (lambda b: b.add_note("", actor="alice"), "body must be text"),
        (lambda b: b.get_notes(7), "incident_id must be an incident's id"),
        (lambda b: b.get_notes(None), "incident_id must be an incident's id"),
        (lambda b: b.get_notes("x", limit=-1), "limit must be"),
    ],
    ids=["reason", "actor", "empty", "number", "unknown", "to", "why", "body", "notes of 7", "notes of None", "limit"],
)
def test_bad_input_is_refused_and_changes_nothing(world: World, call: Callable[[Any], Any], message: str) -> None:
    with world.committed(settings=BreakerSettings()) as breaker:
        trip(breaker)
    before = world.everything()
    with world.committed() as breaker, pytest.raises(InvalidArgumentError, match=message):
        call(breaker)
    assert world.everything() == before


ON_NOBODYS: dict[str, Callable[[Any], Any]] = {
    "acknowledge": lambda breaker: breaker.acknowledge("on it", actor="alice", incident_id="nobody's"),
    "assign": lambda breaker: breaker.assign("bob", "his code", actor="alice", incident_id="nobody's"),
    "add_note": lambda breaker: breaker.add_note("hm", actor="alice", incident_id="nobody's"),
}


@pytest.mark.parametrize("action", ON_NOBODYS)
def test_a_refused_id_leaves_no_recovery_and_no_settings_behind(world: World, clock: ManualClock, action: str) -> None:
    with world.committed(settings=None, clock=clock) as breaker:
        breaker.disable("maintenance", actor="carol", until=clock.now() + HOUR)
    clock.advance(2 * HOUR)
    before = world.everything()
    own = BreakerSettings(failure_threshold=7)
    with (
        world.committed(settings=own, clock=clock) as breaker,
        pytest.raises(InvalidArgumentError, match="no incident"),
    ):
        ON_NOBODYS[action](breaker)
    assert world.everything() == before


def test_an_incident_named_after_its_end_is_shown_as_it_ended(world: World, clock: ManualClock) -> None:
    """Its recovery is written by the same call."""
    with world.committed(clock=clock) as breaker:
        _, incident = breaker.disable("maintenance", actor="carol", until=clock.now() + HOUR)
    clock.advance(2 * HOUR)
    with world.committed(clock=clock) as breaker:
        changed, ended = breaker.acknowledge("on it", actor="alice", incident_id=incident.id)
    assert (changed, ended.id, ended.resolved_by) == (False, incident.id, "system-auto-recover")
    assert changes(world) == ["disable", "recover"]
