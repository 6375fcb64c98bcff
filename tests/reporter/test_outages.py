"""Whatever ails the database: who reports notices nothing, and when it is well again all is there, once."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from driftbreaker.testing import PostgresServer
from tests.support.alertmanagers import eventually
from tests.support.faults import FAULTS, Fault, fault_of, full, locked
from tests.support.line import Line
from tests.support.pooler import port_of
from tests.support.reported import AT_ONCE, KINDS, Desk, engine_for, reporting

PATIENCE = 1.0


#: What is only slow, or over in a moment, is nothing to warn of.
BARELY_NOTICED = {"cut", "trickling"}


@pytest.fixture(params=KINDS)
def engine(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Makes engines for one kind of reporter."""
    return partial(engine_for, request.param)


@pytest.fixture(params=FAULTS, ids=" ".join)
def fault(request: pytest.FixtureRequest, engine: Callable[..., Any]) -> Iterator[tuple[Fault, str]]:
    with fault_of(*request.param, request, engine) as found:
        yield found


def known_to_ail(desk: Desk, kind: str) -> None:
    """It has tried in vain; or, where that is all, it has tried."""
    if kind in BARELY_NOTICED:
        eventually(lambda: desk.reporter.counts.flushed + desk.reporter.counts.in_doubt >= 60, "it goes on")
    else:
        eventually(lambda: desk.lines, "it says so")


def test_who_reports_notices_nothing_and_all_is_there_when_it_is_over(
    fault: tuple[Fault, str], request: pytest.FixtureRequest
) -> None:
    it, url = fault
    kind = request.node.callspec.params["fault"][1]
    names = [f"{kind} {number}" for number in range(400 if kind == "full" else 3)]
    with reporting(it.engine, url, patience=PATIENCE) as desk:
        desk.report(*names[:3], times=10)
        desk.assert_all_is_there()
        it.begin()
        desk.report(*names, times=10)
        known_to_ail(desk, kind)
        desk.report(*names, times=10)
        desk.assert_counts_are_exact()
        assert desk.slowest < AT_ONCE
        if kind not in BARELY_NOTICED:
            assert desk.reporter.counts.waiting
        it.end()
        desk.assert_all_is_there()
        assert set(desk.failures()) == set(names)
        if kind not in BARELY_NOTICED:
            eventually(lambda: len(desk.lines) > 1, "it says that it is over")
            desk.assert_it_was_told_of_once()


def test_a_database_that_is_down_from_the_start_is_written_to_when_it_comes(
    postgres: PostgresServer, postgres_database: str, engine: Callable[..., Any]
) -> None:
    with Line(port_of(postgres)) as line:
        line.refuse()
        url = postgres.url(postgres_database)
        with reporting(engine(line.url(url)), url) as desk:
            desk.report(times=100)
            eventually(lambda: desk.lines, "it says so")
            desk.report(times=100)
            line.heal()
            desk.assert_all_is_there()
            assert desk.failures() == {"pricing": 200}
            desk.assert_it_was_told_of_once()


def test_an_exhausted_pool_is_an_outage_like_any_other(postgres_url: str, engine: Callable[..., Any]) -> None:
    small = engine(postgres_url, pool_size=1, max_overflow=0, pool_timeout=0.2)
    with reporting(small, postgres_url) as desk:
        with desk.connected(small):
            desk.report(times=100)
            eventually(lambda: desk.lines, "it says so")
        desk.assert_all_is_there()
        desk.assert_it_was_told_of_once()


def test_what_floods_beyond_capacity_is_dropped_and_the_youngest_is_kept(sqlite_database: Path) -> None:
    with (
        locked(sqlite_database) as fault,
        reporting(fault.engine, f"sqlite:///{sqlite_database}", capacity=100) as desk,
    ):
        fault.begin()
        for number in range(1_000):
            desk.report(f"{number:04}")
        counts = desk.reporter.counts
        assert counts.waiting <= 200, "a hundred, and as many that are being written just now"
        desk.assert_counts_are_exact()
        fault.end()
        desk.assert_all_is_there()
        assert set(desk.failures()) >= {f"{number:04}" for number in range(910, 1_000)}
        assert set(desk.reporter.counts.why_dropped) == {"no room"}


@pytest.mark.parametrize(("engine", "breakers"), [("thread", 1), ("thread", 60), ("task", 1)], indirect=["engine"])
def test_the_others_go_on_while_somebody_holds_a_row(
    postgres_url: str, breakers: int, engine: Callable[..., Any]
) -> None:
    names = [f"{number:02}" for number in range(breakers)]
    others = ["another", "one more"]
    with reporting(engine(postgres_url), postgres_url) as desk:
        desk.report(*names, *others)
        desk.assert_all_is_there()
        holder = create_engine(postgres_url)
        with holder.connect() as connection:
            those = text("SELECT 1 FROM driftbreaker_breakers WHERE name NOT IN ('another', 'one more') FOR UPDATE")
            assert len(connection.execute(those).all()) == breakers
            slowest = 0.0
            for turn in range(4 if breakers == 1 else 2):
                desk.report(*names, *others)
                began = time.monotonic()
                goal = turn + 2
                eventually(
                    lambda goal=goal: [desk.failures()[each] for each in others] == [goal] * 2, "they are written", 12
                )
                if turn:  # the first flush finds out who is held
                    slowest = max(slowest, time.monotonic() - began)
            assert {desk.failures()[name] for name in names} == {1}
            connection.rollback()
        holder.dispose()
        print(f"\n{breakers} held: the others were written after {slowest:.2f} s at most")
        assert slowest < 5.0
        desk.assert_all_is_there()
        assert set(desk.failures().values()) == {turn + 2}


def test_a_row_that_others_want_all_the_time_is_written_too(postgres_url: str) -> None:
    """Each of a crowd holds it for longer than a first try waits: whoever never waited would never get it."""
    over = threading.Event()

    def want() -> None:
        engine = create_engine(postgres_url)
        while not over.is_set():
            with engine.begin() as connection:
                connection.execute(text("UPDATE driftbreaker_breakers SET failures = failures"))
                time.sleep(0.3)
        engine.dispose()

    with reporting(create_engine(postgres_url), postgres_url) as desk:
        desk.report()
        desk.assert_all_is_there()
        crowd = [threading.Thread(target=want) for _ in range(4)]
        for each in crowd:
            each.start()
        try:
            desk.report(times=5)
            desk.assert_all_is_there(patience=30.0)
        finally:
            over.set()
            for each in crowd:
                each.join()
        assert desk.failures() == {"pricing": 6}


def test_a_hundred_scopes_of_a_full_disk_are_still_counted_right(sqlite_database: Path) -> None:
    url = f"sqlite:///{sqlite_database}"
    with full(sqlite_database) as fault, reporting(fault.engine, url, started=False) as desk:
        fault.begin()
        names = [f"{number:03}" + "x" * 150 for number in range(500)]
        desk.report(*names)
        assert not desk.reporter.flush()
        desk.report(*names)
        fault.end()
        assert desk.reporter.flush()
        assert desk.failures() == dict.fromkeys(names, 2)
        with closing(sqlite3.connect(sqlite_database)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
