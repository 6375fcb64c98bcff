"""kill -9 at any moment, in the midst of a statement or a COMMIT too: what was acknowledged is there, and whole."""

from __future__ import annotations

import random
import signal
import time
from itertools import count
from multiprocessing.connection import Connection

import pytest
from sqlalchemy import func, select, text

from driftbreaker import BreakerSettings
from tests.support.crowd import Place
from tests.support.promises import assert_promises_kept
from tests.support.size import size
from tests.support.worlds import World
from tests.torture.points import CHILDREN, assert_next_writer_works_at_once
from tests.torture.scenarios import BAD, NAMES, ORDERS, order

WORKERS = 3
LEAVING_SECONDS = 10.0
COUNTING = BreakerSettings(failure_threshold=1_000_000)
OTHERS = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")


def toil(place: Place, who: str, line: Connection) -> None:
    """Report on both breakers with a row of one's own, every other time late, without end; say when it is committed."""
    with place.open() as world:
        for turn in count():
            with world.session() as session:
                order(session, who)
                for name in NAMES:
                    when = "commit" if turn % 2 else "now"
                    world.breaker(session, name, settings=COUNTING, when=when).report_drift(BAD)
                session.commit()
            line.send(None)


def kill_all_at_any_moment(place: Place, dice: random.Random, names: list[str]) -> dict[str, int]:
    """Let workers toil, and kill each at a moment of its own; return how many commits each acknowledged."""
    toiling = []
    for name in names:
        ours, theirs = CHILDREN.Pipe(duplex=False)
        worker = CHILDREN.Process(target=toil, args=(place, name, theirs))
        worker.start()
        theirs.close()
        toiling.append((name, worker, ours))
    acknowledged = dict.fromkeys(names, 0)
    for name, worker, line in toiling:
        assert line.poll(LEAVING_SECONDS), f"{name} commits nothing"
        time.sleep(dice.uniform(0, 0.05))
        worker.kill()
        worker.join()
        assert worker.exitcode == -signal.SIGKILL
        while heard(line):
            acknowledged[name] += 1
        worker.close()
        line.close()
    return acknowledged


def heard(line: Connection) -> bool:
    try:
        line.recv()
    except EOFError:
        return False
    return True


def wait_until_alone(world: World) -> None:
    """A COMMIT that was sent before the death may still be under way on the server."""
    world.sync_engine.dispose()  # our own sessions are no trace of the dead
    deadline = time.monotonic() + LEAVING_SECONDS
    while world.dialect == "postgresql":
        with world.outside.connect() as connection:
            if not connection.execute(OTHERS).scalar_one():
                return
        assert time.monotonic() < deadline, "the dead still have sessions"
        time.sleep(0.02)


def committed(world: World) -> dict[str, int]:
    with world.outside.connect() as connection:
        rows = connection.execute(select(ORDERS.c.name, func.count().label("number")).group_by(ORDERS.c.name))
        return {row.name: row.number for row in rows}


@pytest.mark.parametrize("place", ["sqlite", "sqlite-wal", "psycopg"], indirect=True)
def test_death_at_any_moment_loses_nothing_acknowledged_and_halves_nothing(place: Place, world: World) -> None:
    dice = random.Random(0)
    ORDERS.create(world.outside)
    for turn in range(size(8, 200)):
        names = [f"{turn} {number}" for number in range(WORKERS)]
        acknowledged = kill_all_at_any_moment(place, dice, names)
        wait_until_alone(world)
        orders = committed(world)
        for name in names:
            assert acknowledged[name] <= orders[name] <= acknowledged[name] + 1, (name, orders, acknowledged)
        assert [row["failures"] for row in world.rows("breakers")] == [sum(orders.values())] * len(NAMES)
        assert_next_writer_works_at_once(world, "killed at any moment")
    assert_promises_kept(world)
