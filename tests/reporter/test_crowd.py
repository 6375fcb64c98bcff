"""Many threads of many processes report on one breaker at once: nothing is lost, and exactly one of them trips it."""

from __future__ import annotations

import random
import threading
from typing import Any

import pytest
from sqlalchemy import create_engine

from driftbreaker import BreakerSettings, Reporter
from tests.concurrency.conftest import crowd, place
from tests.support.crowd import Crowd, Member, Place
from tests.support.promises import assert_promises_kept
from tests.support.reported import BAD, GOOD, NEVER

__all__ = ["crowd", "place"]

THREADS = 16
PROCESSES = 4
EACH = 500
LATE = BreakerSettings(failure_threshold=PROCESSES * THREADS * EACH // 2)
EARLY = BreakerSettings(failure_threshold=3)


def reporter_of(member: Member, settings: BreakerSettings, **options: Any) -> Reporter:
    return Reporter(member.world.engine, settings={"pricing": settings}, interval=0.005, **options)


def from_many_threads(reporter: Reporter, threads: int = THREADS) -> None:
    def report() -> None:
        for _ in range(EACH):
            reporter.report("pricing", BAD)

    crowd = [threading.Thread(target=report) for _ in range(threads)]
    for each in crowd:
        each.start()
    for each in crowd:
        each.join()


def report_from_many_threads(member: Member, settings: BreakerSettings) -> tuple[int, int]:
    """Return how many were flushed, and how many trips that made."""
    member.meet()
    with reporter_of(member, settings, batch=200) as reporter:
        from_many_threads(reporter)
    counts = reporter.counts
    assert (counts.reported, counts.dropped, counts.in_doubt, counts.waiting) == (THREADS * EACH, 0, 0, 0)
    return counts.flushed, counts.trips


def report_in_order(member: Member) -> int:
    """Two bad ones between two good ones, again and again: in this order they never trip."""
    dice = random.Random(member.number)
    reporter = reporter_of(member, EARLY)
    member.meet()
    for _ in range(40):
        for _ in range(dice.randrange(1, 30)):
            for score in (GOOD, BAD, BAD, GOOD):
                reporter.report("pricing", score)
        assert reporter.flush()
    return reporter.counts.trips


@pytest.mark.parametrize("place", ["sqlite", "sqlite-wal", "psycopg"], indirect=True)
def test_what_processes_and_their_threads_report_is_all_counted(crowd: Crowd, place: Place) -> None:
    outcomes = crowd.race(PROCESSES, place, report_from_many_threads, NEVER)
    assert outcomes == [(THREADS * EACH, 0)] * PROCESSES
    with place.open() as world:
        assert world.row()["failures"] == PROCESSES * THREADS * EACH
        assert_promises_kept(world)


@pytest.mark.parametrize("settings", [LATE, EARLY], ids=["late", "early"])
def test_exactly_one_of_them_trips_it(crowd: Crowd, place: Place, settings: BreakerSettings) -> None:
    outcomes = crowd.race(PROCESSES, place, report_from_many_threads, settings)
    assert sum(trips for _, trips in outcomes) == 1
    with place.open() as world:
        row = world.row()
        assert (row["status"], row["trip_count"]) == ("open", 1)
        assert len(world.rows("incidents")) == 1
        assert [each["state"] for each in world.rows("outbox")] == ["firing"]
        assert_promises_kept(world)


def test_each_process_keeps_its_own_order(crowd: Crowd, place: Place) -> None:
    assert crowd.race(PROCESSES, place, report_in_order) == [0] * PROCESSES
    with place.open() as world:
        assert world.row()["failures"] == 0
        assert_promises_kept(world)


def test_several_reporters_of_one_process_do_not_disturb_each_other(place: Place) -> None:
    with place.open() as world:
        engines = [create_engine(place.url) for _ in range(3)]
        reporters = [Reporter(engine, settings={"pricing": NEVER}, interval=0.005) for engine in engines]
        for reporter in reporters:
            reporter.start()
        for reporter in reporters:
            from_many_threads(reporter, 4)
        for reporter in reporters:
            reporter.close()
            assert reporter.counts.flushed == 4 * EACH
        assert world.row()["failures"] == 3 * 4 * EACH
        for engine in engines:
            engine.dispose()
