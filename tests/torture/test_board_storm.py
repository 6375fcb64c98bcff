"""Sixteen processes trip 640 breakers in transactions of every length: a board misses none of them."""

from __future__ import annotations

import random
import time

import pytest

from driftbreaker import AsyncSwitchboard
from tests.support.alertmanagers import eventually
from tests.support.crowd import Crowd, Member, Place
from tests.support.size import LONG, size
from tests.support.watched import announced, running
from tests.support.worlds import World

PROCESSES = 16
TRIPS = size(40, 400)
LONGEST = 0.01


def trip_all(member: Member, late: float) -> int:
    """Trip one breaker after the other; what is numbered first may well commit last."""
    dice = random.Random(member.number)
    for number in range(TRIPS):
        with member.world.session() as session:
            breaker = member.world.breaker(session, f"{member.number}/{number}")
            breaker.disable("to see", actor="alice")
            time.sleep(dice.uniform(0, late))
            session.commit()
    return TRIPS


def names() -> list[str]:
    return [f"{member}/{number}" for member in range(PROCESSES) for number in range(TRIPS)]


WAYS = {"listens": {"poll": 5.0, "stale_after": 60.0}, "polls": {"poll": 0.2, "stale_after": 60.0, "listen": False}}
CASES = [("psycopg", "psycopg", way) for way in WAYS]
CASES += [("sqlite-wal", "sqlite", "polls"), *([("psycopg", "asyncpg", "listens")] if LONG else [])]


@pytest.mark.parametrize(("place", "driver", "way"), CASES, indirect=["place"])
def test_no_trip_is_missed(crowd: Crowd, place: Place, world: World, driver: str, way: str) -> None:
    """Held for up to ten milliseconds: numbers given out early are committed late, and none is passed over."""
    url = place.url.replace("+psycopg", f"+{driver}") if driver == "asyncpg" else place.url
    with announced() as said, running(driver, url, **WAYS[way]) as board:
        assert isinstance(board.board, AsyncSwitchboard) == (driver == "asyncpg")
        handles = [board.board[name] for name in names()]
        eventually(lambda: all(handle.version == 0 for handle in handles), "it knows that all are closed")
        late = LONGEST if world.dialect == "postgresql" else LONGEST / 5  # one writer at a time, there
        assert sum(crowd.race(PROCESSES, place, trip_all, late)) == len(handles)
        ended = time.monotonic()
        eventually(lambda: all(handle.is_open for handle in handles), "it sees every one")
        print(f"\n{driver}, {way}: all {len(handles)} seen {time.monotonic() - ended:.3f} s after the last")
        assert time.monotonic() - ended < 2.0
        assert "stale" not in said.kinds()
        assert "failing" not in said.kinds()
    assert world.count("breakers") == len(handles)
