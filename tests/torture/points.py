"""The points of a transaction: before and after each statement, before and after its COMMIT."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from time import monotonic
from typing import Any

from sqlalchemy import Engine, event, text

from tests.support.children import CHILDREN, import_before_forking
from tests.support.crowd import Place, begin_for_real
from tests.support.promises import assert_promises_kept
from tests.support.worlds import World
from tests.torture.scenarios import NAMES, ORDERS, SCENARIOS, Rows, Scenario, seen

DEATH_SECONDS = 60.0
AT_ONCE_SECONDS = 10.0
COMMITTED = "after COMMIT"

import_before_forking("tests.torture.points", "tests.torture.test_killed_anywhere", "sqlmodel")


def watch_points(engine: Engine, reach: Callable[[str], None]) -> None:
    """Call `reach` with the name of each point, on the way."""
    commit = engine.dialect.do_commit

    def do_commit(connection: Any) -> None:
        reach("before COMMIT")
        commit(connection)
        reach(COMMITTED)

    def at(when: str) -> Callable[..., None]:
        return lambda _c, _cursor, statement, *_: reach(f"{when} {' '.join(statement.split())[:120]}")

    event.listen(engine, "before_cursor_execute", at("before"))
    event.listen(engine, "after_cursor_execute", at("after"))
    engine.dialect.do_commit = do_commit  # type: ignore[method-assign]  # no event follows the COMMIT


def die_at(place: Place, mode: str, scenario: str, point: int) -> str:
    """Let a process of its own do the scenario and be killed with signal 9 at a point; return the point's name."""
    ours, theirs = CHILDREN.Pipe()
    child = CHILDREN.Process(target=_live, args=(place, mode, scenario, point, theirs))
    child.start()
    theirs.close()
    child.join(DEATH_SECONDS)
    try:
        assert child.exitcode == -signal.SIGKILL, f"point {point} of {scenario!r} ended with {child.exitcode}"
        return str(ours.recv())
    finally:
        ours.close()
        child.close()


def _live(place: Place, mode: str, scenario: str, point: int, line: Connection) -> None:
    passed = 0

    def reach(name: str) -> None:
        nonlocal passed
        passed += 1
        if passed == point:
            line.send(name)
            os.kill(os.getpid(), signal.SIGKILL)

    with place.open() as world:
        if mode == "real BEGIN":
            begin_for_real(world.sync_engine)
        with world.session() as session:
            session.execute(text("SELECT 1"))  # what connecting sends is no part of the scenario
            session.rollback()
            watch_points(world.sync_engine, reach)
            SCENARIOS[scenario].act(world, session)
            session.commit()


def kill_at_every_point(place: Place, mode: str, name: str) -> list[str]:
    """Kill a process at every point of a scenario, each time looking from outside; return the points' names."""
    scenario, points = SCENARIOS[name], list[str]()
    with place.open() as world:
        before = prepared(world, scenario)
        while points[-1:] != [COMMITTED]:
            points.append(die_at(place, mode, name, len(points) + 1))
            where = f"{name}, killed at point {len(points)}: {points[-1]}"
            if points[-1] == COMMITTED:
                assert_all_written(world, scenario, before, where)
            else:
                assert seen(world) == before, where
            assert_next_writer_works_at_once(world, where)
        assert_the_next_commits(world)
    return points


def prepared(world: World, scenario: Scenario) -> Rows:
    """Make what lies before the scenario, and return it."""
    ORDERS.create(world.outside)
    scenario.prepare(world)
    return seen(world)


def assert_all_written(world: World, scenario: Scenario, before: Rows, where: str) -> None:
    after = seen(world)
    assert len(after["orders"]) == 1, where
    assert after["breakers"] != before["breakers"], where
    changes = [entry["change"] for entry in after["history"][len(before["history"]) :]]
    assert tuple(changes) == scenario.leaves, where
    assert_promises_kept(world)


def assert_next_writer_works_at_once(world: World, where: str) -> None:
    """No lock of the dead is in the way. What this writer does, it takes back."""
    begun = monotonic()
    with world.session() as session:
        for name in NAMES:
            assert world.breaker(session, name).disable(f"next after {where}", actor="next")[0]
        session.rollback()
    assert monotonic() - begun < AT_ONCE_SECONDS, f"the next writer waited: {where}"


def assert_the_next_commits(world: World) -> None:
    for name in NAMES:
        with world.committed(name) as breaker:
            assert breaker.disable("and life goes on", actor="next")[0]
    assert_promises_kept(world)
