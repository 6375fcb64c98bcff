"""PostgreSQL ends the session at any statement: the caller is told, nothing is half-written, the next one works."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.support.crowd import Place
from tests.support.size import LONG
from tests.support.worlds import World
from tests.torture.points import (
    assert_all_written,
    assert_next_writer_works_at_once,
    assert_the_next_commits,
    prepared,
    watch_points,
)
from tests.torture.scenarios import SCENARIOS, names_on_postgresql, seen

LOST = "The connection is lost, and with it the transaction: nothing of it was written. Roll back and retry."


class Terminator:
    """Ends the session's backend when the n-th statement, or the COMMIT, is about to be sent."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._left = 0
        self._victim = 0
        self.point = ""
        watch_points(world.sync_engine, self._reach)

    def aim(self, victim: int, point: int) -> None:
        self._victim, self._left, self.point = victim, point, ""

    def rest(self) -> None:
        self._left = 0

    def _reach(self, name: str) -> None:
        if not name.startswith("before") or not self._left:
            return
        self._left -= 1
        if self._left == 0:
            self.point = name
            end = text("SELECT pg_terminate_backend(:pid, 5000)")
            with self._world.outside.begin() as connection:
                assert connection.execute(end, {"pid": self._victim}).scalar_one()


def lose_connection_at_every_statement(place: Place, name: str) -> list[str]:
    """Do a scenario again and again, each time with its connection lost one statement later; return the points."""
    scenario, points = SCENARIOS[name], list[str]()
    with place.open() as world:
        before = prepared(world, scenario)
        terminator = Terminator(world)
        while points[-1:] != [""]:
            error = None
            with world.session() as session:
                pid = session.execute(text("SELECT pg_backend_pid()")).scalar_one()
                terminator.aim(pid, len(points) + 1)
                try:
                    scenario.act(world, session)
                    session.commit()
                except DBAPIError as caught:
                    error = caught
                terminator.rest()
                session.rollback()
                points.append(terminator.point)
                if error is not None:
                    assert_told(error, points[-1])
                    assert seen(world) == before, points[-1]
                    assert session.execute(text("SELECT 1")).scalar_one() == 1, "the same session goes on"
            assert_next_writer_works_at_once(world, f"{name}, connection lost {points[-1]}")
            assert (error is None) == (not points[-1]), f"nobody was told of what was lost {points[-1]}"
        assert_all_written(world, scenario, before, name)
        assert_the_next_commits(world)
    return points[:-1]


def assert_told(error: DBAPIError, point: str) -> None:
    """With our note where the statement was ours; as SQLAlchemy raised it where it was the caller's."""
    assert error.connection_invalidated, point
    notes: list[Any] = getattr(error, "__notes__", [])
    if "driftbreaker_" in point or "has_table_privilege" in point:  # which has our tables' names as values
        (note,) = notes
        assert note.startswith("driftbreaker: "), point
        assert note.endswith(LOST), point
    else:
        assert notes == [], point


@pytest.mark.parametrize("place", ["psycopg", "asyncpg", *(["psycopg-async"] if LONG else [])], indirect=True)
@pytest.mark.parametrize("scenario", names_on_postgresql())
def test_a_connection_lost_at_any_statement_is_told_and_leaves_nothing(place: Place, scenario: str) -> None:
    points = lose_connection_at_every_statement(place, scenario)
    assert points[-1] == "before COMMIT"
    assert len(points) >= 3, points
