"""Ten breakers in one transaction, by eight processes, in whatever order each of them likes."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from driftbreaker import BreakerSettings
from tests.support.crowd import Crowd, Member, Place
from tests.support.promises import assert_promises_kept
from tests.support.size import size
from tests.support.worlds import World

NAMES = tuple(f"breaker {number}" for number in range(10))
PROCESSES = 8
COUNTING = BreakerSettings(failure_threshold=10_000, schema_error_threshold=10_000)
TRIPPING = BreakerSettings(failure_threshold=5, schema_error_threshold=5)
RETRY = "The transaction is aborted and nothing of it can be committed: roll it back, then retry it."

EVERYWHERE = pytest.mark.parametrize("place", ["sqlite", "sqlite-wal", "psycopg", "asyncpg"], indirect=True)


def report_late(member: Member, race: int, transactions: int, settings: BreakerSettings) -> None:
    dice = random.Random(f"{race} {member.number}")
    for _ in range(transactions):
        with member.world.session() as session:
            for name in dice.sample(NAMES, len(NAMES)):
                breaker = member.world.breaker(session, name, settings=settings, when="commit")
                breaker.report_drift(0.5)
                if dice.random() < 0.5:
                    breaker.report_schema_error(1)
            session.commit()


@EVERYWHERE
def test_late_reports_on_ten_breakers_in_random_order_never_deadlock(crowd: Crowd, place: Place, world: World) -> None:
    races, transactions = size(1, 20), 25
    for race in range(races):
        crowd.race(PROCESSES, place, report_late, race, transactions, COUNTING)
    assert {row["name"]: row["failures"] for row in world.rows("breakers")} == dict.fromkeys(
        NAMES, races * PROCESSES * transactions
    )


@EVERYWHERE
def test_late_reports_that_trip_ten_breakers_never_deadlock(crowd: Crowd, place: Place, world: World) -> None:
    for race in range(size(2, 40)):
        crowd.race(PROCESSES, place, report_late, race, 3, TRIPPING)
        assert {row["name"]: row["status"] for row in world.rows("breakers")} == dict.fromkeys(NAMES, "open")
        assert world.count("incidents") == len(NAMES) * (race + 1)
        assert_promises_kept(world)
        for name in NAMES:
            with world.committed(name) as breaker:
                assert breaker.enable("once more", actor="alice")


def report_now(member: Member, race: int, transactions: int) -> int:
    """Report at once, against the rule of the order; do a transaction again when the database refused it."""
    dice = random.Random(f"{race} {member.number}")
    deadlocks = 0
    for _ in range(transactions):
        while not reported(member.world, dice.sample(NAMES, len(NAMES))):
            deadlocks += 1
            time.sleep(dice.random() / 5)  # eight that retry at once meet again at once
    return deadlocks


def reported(world: World, names: list[str]) -> bool:
    with world.session() as session:
        try:
            session.execute(text("SET LOCAL deadlock_timeout = '20ms'"))
            for name in names:
                world.breaker(session, name, settings=COUNTING).report_drift(0.5)
            session.commit()
        except DBAPIError as error:
            assert_is_a_deadlock(error)
            session.rollback()
            return False
        return True


def assert_is_a_deadlock(error: DBAPIError) -> None:
    state: Any = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)
    assert state == "40P01", error
    (note,) = error.__notes__
    assert note.startswith("driftbreaker: report_drift on breaker 'breaker "), note
    assert note.endswith(RETRY), note


@pytest.mark.parametrize("place", ["psycopg", "asyncpg"], indirect=True)
def test_deadlocks_of_immediate_reports_in_random_order_are_told_and_retried_without_loss(
    crowd: Crowd, place: Place, world: World
) -> None:
    races, transactions = size(1, 20), 3
    deadlocks = sum(sum(crowd.race(PROCESSES, place, report_now, race, transactions)) for race in range(races))
    assert deadlocks, "eight random orders of ten rows have to lock each other out"
    assert {row["name"]: row["failures"] for row in world.rows("breakers")} == dict.fromkeys(
        NAMES, races * PROCESSES * transactions
    )
    assert_promises_kept(world)
