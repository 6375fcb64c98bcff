"""Whoever reads, or has nothing to write, does not wait for a writer that holds its transaction open.

The order of events is what counts: the writer lets go when it is told that the reader is done. Had the reader to
wait, the writer would have let go by itself after a while, and would say so.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from driftbreaker import BreakerSettings
from tests.support.crowd import Crowd, Member, Place, until_somebody_waits
from tests.support.worlds import World

Deed = Callable[[Any], Any]

EVERYWHERE = pytest.mark.parametrize("place", ["sqlite", "sqlite-wal", "psycopg", "asyncpg"], indirect=True)

READINGS: dict[str, Deed] = {
    "is_disabled": lambda breaker: breaker.is_disabled(),
    "is_open": lambda breaker: breaker.is_open(),
    "get_state": lambda breaker: breaker.get_state().is_open,
    "get_incidents": lambda breaker: breaker.get_incidents() != [],
    "get_history": lambda breaker: breaker.get_history()[0].new_status == "open",
}
NOTHING_TO_WRITE: dict[str, Deed] = {"good report": lambda breaker: breaker.report_drift(0.1)}
IGNORED_WHILE_OPEN: dict[str, Deed] = {
    **NOTHING_TO_WRITE,
    "bad report": lambda breaker: breaker.report_drift(0.5),
    "schema error": lambda breaker: breaker.report_schema_error(9),
}


def report_bad(breaker: Any) -> None:
    breaker.report_drift(0.5)


def disable(breaker: Any) -> None:
    breaker.disable("maintenance", actor="alice")


def supersede(breaker: Any) -> None:
    breaker.disable("another reason", actor="bob")


def enable(breaker: Any) -> None:
    breaker.enable("fine again", actor="bob")


def write_and_hold(member: Member, deed: Deed) -> bool:
    with member.world.committed() as breaker:
        deed(breaker)
        return member.hold()


def answers(world: World, questions: dict[str, Deed]) -> dict[str, Any]:
    """Ask each question in a transaction of its own."""
    given = {}
    for name, question in questions.items():
        with world.committed() as breaker:
            given[name] = question(breaker)
    return given


@pytest.fixture
def closed(world: World) -> World:
    with world.committed() as breaker:
        breaker.disable("maintenance", actor="alice")
        breaker.enable("fine again", actor="alice")
    return world


@pytest.fixture
def opened(world: World) -> World:
    """By a trip: what is open still carries the streak that opened it."""
    with world.committed(settings=BreakerSettings(failure_threshold=1)) as breaker:
        breaker.report_drift(0.5)
    return world


@EVERYWHERE
@pytest.mark.parametrize("deed", [report_bad, disable])
def test_readers_of_a_closed_breaker_do_not_wait(crowd: Crowd, place: Place, closed: World, deed: Deed) -> None:
    with crowd.holding(place, write_and_hold, deed) as writer:
        given = answers(closed, READINGS)
    assert writer.let_go_when_told, "a reader waited for the writer"
    assert set(given.values()) == {False}, "what is not committed is not seen"


@EVERYWHERE
@pytest.mark.parametrize("deed", [supersede, enable])
def test_readers_of_an_open_breaker_do_not_wait(crowd: Crowd, place: Place, opened: World, deed: Deed) -> None:
    with crowd.holding(place, write_and_hold, deed) as writer:
        given = answers(opened, READINGS)
    assert writer.let_go_when_told, "a reader waited for the writer"
    assert set(given.values()) == {True}, "what is not committed is not seen"


@EVERYWHERE
@pytest.mark.parametrize("deed", [report_bad, disable])
def test_good_reports_with_nothing_to_clear_do_not_wait(crowd: Crowd, place: Place, closed: World, deed: Deed) -> None:
    with crowd.holding(place, write_and_hold, deed) as writer:
        answers(closed, NOTHING_TO_WRITE)
    assert writer.let_go_when_told, "a good report waited for the writer"


@EVERYWHERE
@pytest.mark.parametrize("deed", [supersede, enable])
def test_reports_on_an_open_breaker_do_not_wait(crowd: Crowd, place: Place, opened: World, deed: Deed) -> None:
    with crowd.holding(place, write_and_hold, deed) as writer:
        given = answers(opened, IGNORED_WHILE_OPEN)
    assert writer.let_go_when_told, "a report waited for the writer"
    assert set(given.values()) == {None}


@EVERYWHERE
def test_checks_of_an_expired_breaker_do_not_wait(crowd: Crowd, place: Place, world: World) -> None:
    with world.committed() as breaker:
        breaker.disable("over already", actor="alice", until=datetime.now(UTC) - timedelta(hours=1))
    with crowd.holding(place, write_and_hold, enable) as writer:
        given = answers(world, {name: READINGS[name] for name in ("is_disabled", "is_open", "get_state")})
    assert writer.let_go_when_told, "a check waited for whoever writes the recovery"
    assert set(given.values()) == {False}
    assert [entry["change"] for entry in world.rows("history")] == ["disable", "recover"]


def clear_one_after_the_other(member: Member) -> bool:
    """Member 0 clears the streak while member 1 waits to do so; return whether the row is held when it was its turn."""
    with member.world.committed() as breaker:
        if member.number == 1:
            member.meet()
        breaker.report_drift(0.1)
        if member.number == 0:
            member.meet()
            until_somebody_waits(member.world)
            return True
        with member.world.outside.connect() as connection:
            free = connection.execute(text("SELECT 1 FROM driftbreaker_breakers FOR UPDATE SKIP LOCKED")).all()
        return not free


@pytest.mark.parametrize("place", ["psycopg"], indirect=True)
def test_a_good_report_that_waited_for_the_row_holds_it_also_where_nothing_is_left_to_clear(
    crowd: Crowd, place: Place, world: World
) -> None:
    """PostgreSQL locks a row that was changed meanwhile before it looks at it again. docs/transactions.md says so."""
    with world.committed() as breaker:
        breaker.report_drift(0.5)
    assert crowd.race(2, place, clear_one_after_the_other) == [True, True]
    assert world.row()["failures"] == 0
