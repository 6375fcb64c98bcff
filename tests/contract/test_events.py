"""Listeners hear what happened: once, after the outermost commit, and nothing of what was rolled back."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import event as events_of
from sqlalchemy import select
from sqlalchemy.orm import Session

from driftbreaker import BreakerSettings, Event, listen
from tests.support.worlds import TABLES, World, sync

AT_ONCE = BreakerSettings(failure_threshold=1)


@pytest.fixture
def heard() -> Iterator[list[Event]]:
    events: list[Event] = []
    remove = listen(events.append)
    yield events
    remove()


def kinds(events: list[Event]) -> list[str]:
    return [event.kind for event in events]


def test_an_event_is_told_once_after_the_commit(world: World, heard: list[Event]) -> None:
    with world.session() as session:
        incident = world.breaker(session, scope="eu", settings=AT_ONCE).report_drift(0.5)
        assert heard == []
        session.commit()
        assert kinds(heard) == ["trip"]
        session.commit()
        world.breaker(session).is_open()
        session.commit()
    (event,) = heard
    assert (event.name, event.scope) == ("pricing", "eu")
    assert event.facts["incident_id"] == incident.id
    assert event.facts["at"] == incident.timestamp
    assert (event.facts["actor"], event.facts["reason"]) == ("circuit_breaker", incident.reason)


def test_events_of_one_transaction_are_told_in_the_order_of_the_calls(world: World, heard: list[Event]) -> None:
    with world.session() as session:
        breaker = world.breaker(session, settings=AT_ONCE)
        breaker.report_drift(0.5)
        breaker.hold("until further notice", actor="alice", until=None)
        breaker.disable("maintenance", actor="alice")
        breaker.enable("done", actor="alice")
        session.commit()
    assert kinds(heard) == ["trip", "hold", "supersede", "enable"]


def test_every_event_but_a_warning_has_its_row_of_history(world: World, heard: list[Event]) -> None:
    with world.session() as session:
        breaker = world.breaker(session, settings=AT_ONCE)
        breaker.report_drift(0.18)
        breaker.report_drift(0.5)
        breaker.reset("again", actor="alice")
        breaker.report_schema_error(9)
        breaker.enable("done", actor="alice")
        session.commit()
    assert kinds(heard)[1:] == [row["change"] for row in world.rows("history")]
    assert kinds(heard)[0] == "warning"


def test_events_are_dropped_on_rollback(world: World, heard: list[Event]) -> None:
    with world.session() as session:
        breaker = world.breaker(session, settings=AT_ONCE)
        breaker.report_drift(0.18)
        breaker.report_drift(0.5)
        session.rollback()
        session.commit()
    assert heard == []


def test_events_are_dropped_when_the_session_is_closed_without_commit(world: World, heard: list[Event]) -> None:
    with world.session() as session:
        world.breaker(session, settings=AT_ONCE).report_drift(0.5)
        session.close()
        session.commit()
    assert heard == []


def test_events_of_a_rolled_back_savepoint_are_dropped_with_it(world: World, heard: list[Event]) -> None:
    with world.session() as session:
        world.breaker(session, "before", settings=AT_ONCE).report_drift(0.5)
        outer = session.begin_nested()
        world.breaker(session, "outer", settings=AT_ONCE).report_drift(0.5)
        inner = session.begin_nested()
        world.breaker(session, "inner", settings=AT_ONCE).report_drift(0.5)
        world.call(inner.commit)
        world.call(outer.rollback)
        world.breaker(session, "after", settings=AT_ONCE).report_drift(0.5)
        assert heard == []
        session.commit()
    assert [event.name for event in heard] == ["before", "after"]
    assert {row["name"] for row in world.rows("incidents")} == {"before", "after"}


def test_events_of_a_released_savepoint_wait_for_the_outermost_commit(world: World, heard: list[Event]) -> None:
    with world.session() as session:
        world.breaker(session, "before").report_drift(0.5)
        savepoint = session.begin_nested()
        world.breaker(session, settings=AT_ONCE).report_drift(0.5)
        world.call(savepoint.commit)
        assert heard == []
        session.commit()
    assert kinds(heard) == ["trip"]


def test_events_of_a_released_savepoint_are_dropped_with_the_outer_rollback(world: World, heard: list[Event]) -> None:
    with world.session() as session:
        world.breaker(session, "before").report_drift(0.5)
        savepoint = session.begin_nested()
        world.breaker(session, settings=AT_ONCE).report_drift(0.5)
        world.call(savepoint.commit)
        session.rollback()
        session.commit()
    assert heard == []


def test_what_one_transaction_dropped_the_next_does_not_tell(world: World, heard: list[Event]) -> None:
    with world.session() as session:
        world.breaker(session, "dropped", settings=AT_ONCE).report_drift(0.5)
        session.rollback()
        world.breaker(session, "kept", settings=AT_ONCE).report_drift(0.5)
        session.commit()
    assert [event.name for event in heard] == ["kept"]


def test_a_commit_that_fails_tells_nothing(world: World, heard: list[Event]) -> None:
    class UnflushedError(RuntimeError):
        pass

    def fail(_: Session) -> None:
        raise UnflushedError

    with world.session() as session:
        world.breaker(session, settings=AT_ONCE).report_drift(0.5)
        events_of.listen(sync(session), "before_commit", fail)
        with pytest.raises(UnflushedError):
            session.commit()
        session.rollback()
    assert heard == []
    assert world.count("breakers") == 0


def test_a_listener_that_raises_disturbs_neither_the_commit_nor_the_others(
    world: World, heard: list[Event], caplog: pytest.LogCaptureFixture
) -> None:
    after: list[Event] = []

    def failing(_: Event) -> None:
        raise RuntimeError("the listener's own trouble")

    removers = [listen(failing), listen(after.append)]
    try:
        with world.session() as session:
            world.breaker(session, settings=AT_ONCE).report_drift(0.5)
            session.commit()
            assert world.breaker(session).is_open(), "the session goes on"
            session.commit()
    finally:
        for remove in removers:
            remove()
    assert kinds(heard) == kinds(after) == ["trip"]
    assert world.count("incidents") == 1
    (record,) = (record for record in caplog.records if record.levelno == logging.ERROR)
    assert record.getMessage() == "a listener of driftbreaker failed on trip of breaker 'pricing'"


def test_a_listener_finds_what_it_is_told_committed(world: World) -> None:
    found: list[Any] = []

    def look(event: Event) -> None:
        with Session(world.outside) as session:
            found.append(session.execute(select(TABLES.incidents.c.id)).scalar_one() == event.facts["incident_id"])

    remove = listen(look)
    try:
        with world.committed(settings=AT_ONCE) as breaker:
            breaker.report_drift(0.5)
    finally:
        remove()
    assert found == [True]


@pytest.mark.parametrize("score", [0.15, 0.18, 0.2, 0.15 * (1 - 1e-12), 0.2 * (1 + 1e-12)])
def test_a_score_from_the_warning_to_the_drift_threshold_is_a_warning_and_no_streak(
    world: World, heard: list[Event], score: float
) -> None:
    with world.committed() as breaker:
        breaker.report_drift(0.5)
        assert breaker.report_drift(score) is None
        assert breaker.get_state().consecutive_failures == 0, "it is not bad: the streak is cleared"
    (event,) = heard
    assert (event.kind, event.name) == ("warning", "pricing")
    assert dict(event.facts) == {"score": score, "threshold": 0.15}
    assert world.count("history") == 0


@pytest.mark.parametrize("score", [0.0, 0.149, 0.21])
def test_a_score_below_the_warning_or_above_the_drift_threshold_is_no_warning(
    world: World, heard: list[Event], score: float
) -> None:
    with world.committed() as breaker:
        breaker.report_drift(score)
    assert heard == []


@pytest.mark.parametrize("warning", [0.2, 0.2 * (1 - 1e-12), 0.3, None])
def test_a_warning_threshold_at_or_above_the_drift_threshold_means_no_warnings(
    world: World, heard: list[Event], warning: float | None
) -> None:
    with world.committed(settings=BreakerSettings(warning_threshold=warning)) as breaker:
        for score in (0.0, 0.15, 0.19, 0.2, 0.2 * (1 + 1e-12), 0.25, 0.1):
            breaker.report_drift(score)
    assert heard == []


def test_a_warning_is_dropped_on_rollback(world: World, heard: list[Event]) -> None:
    with world.session() as session:
        world.breaker(session).report_drift(0.18)
        session.rollback()
    assert heard == []
