"""A real PostgreSQL that crashes and comes back, again and again, while everybody reports."""

from __future__ import annotations

import gc
import random
import threading
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import create_engine, text

import driftbreaker
from tests.support.alertmanagers import eventually
from tests.support.full import Disk, moved_to
from tests.support.line import Line
from tests.support.reported import AT_ONCE, BAD, Desk, reporting
from tests.support.servers import RestartableServer
from tests.support.size import size

THREADS = 4
NAMES = [f"{number:02}" for number in range(60)]


@pytest.fixture(scope="module")
def server() -> Iterator[RestartableServer]:
    with RestartableServer() as server:
        yield server


@pytest.fixture
def url(server: RestartableServer) -> Iterator[str]:
    name = server.create_database()
    engine = create_engine(server.url(name))
    driftbreaker.metadata.create_all(engine)
    engine.dispose()
    yield server.url(name)
    server.drop_database(name)


@contextmanager
def everybody_reports(desk: Desk) -> Iterator[None]:
    over, calls, slowest = threading.Event(), [0] * THREADS, [0.0] * THREADS

    def go_on(number: int) -> None:
        dice = random.Random(number)
        while not over.wait(0.001):
            for _ in range(5):
                began = time.perf_counter()
                desk.reporter.report(dice.choice(NAMES), BAD)
                slowest[number] = max(slowest[number], time.perf_counter() - began)
                calls[number] += 1

    crowd = [threading.Thread(target=go_on, args=(number,)) for number in range(THREADS)]
    for each in crowd:
        each.start()
    try:
        yield
    finally:
        over.set()
        for each in crowd:
            each.join()
        desk.calls += sum(calls)
        desk.slowest = max(slowest)


def told(desk: Desk, what: str) -> list[str]:
    return [line for line in desk.lines if what in line]


def test_a_server_that_crashes_and_comes_back_again_and_again(server: RestartableServer, url: str) -> None:
    dice, begin = random.Random(0), time.monotonic()
    with Line(server.port) as line:
        engine = create_engine(line.url(url), connect_args={"connect_timeout": 2})
        with reporting(engine, url, patience=1.0, interval=0.05) as desk:
            with everybody_reports(desk):
                turns = 0
                # Faults that follow each other closely are one outage: go on until there were two.
                while (lasted := time.monotonic() - begin) < size(8, 90) or len(told(desk, "cannot write")) < 2:
                    assert lasted < size(60, 120), "it says so"
                    fault = dice.choice(["crash", "cut", "silence", "refuse", "backends"])
                    if fault == "crash":
                        server.stop_immediately()
                        time.sleep(dice.random())
                        server.start()
                    elif fault == "backends":
                        server.terminate_backends(url.rpartition("/")[2])
                    else:
                        getattr(line, fault)()
                        time.sleep(dice.random())
                        line.heal()
                        line.cut()
                    time.sleep(dice.random())
                    turns += 1
            desk.assert_all_is_there(patience=30.0)
            counts = desk.reporter.counts
            print(f"\n{turns} faults: {counts}; slowest call {1000 * desk.slowest:.1f} ms")
            assert counts.dropped == 0
            assert counts.flushed > counts.in_doubt
            begun, ended = told(desk, "cannot write"), told(desk, "writes to the database again")
            assert len(begun) == len(ended) >= 2
            assert len(desk.lines) == 2 * len(begun)
            assert [("again" in line) for line in desk.lines] == [False, True] * len(begun), "in turns"
            assert desk.slowest < AT_ONCE


def test_memory_is_flat_while_the_server_is_away(server: RestartableServer, url: str) -> None:
    with Line(server.port) as line:
        engine = create_engine(line.url(url))
        with reporting(engine, url, interval=0.01, capacity=500, batch=1_000) as desk:
            desk.report(*NAMES)
            desk.assert_all_is_there()
            line.refuse()
            line.cut()
            sizes: list[int] = []
            tracemalloc.start()
            for round_ in range(size(6, 200)):
                for number in range(3_000):
                    desk.report(f"scope {round_} {number}")
                desk.report(*NAMES, times=10)
                gc.collect()
                sizes.append(tracemalloc.get_traced_memory()[0])
            tracemalloc.stop()
            print(f"\n{[size // 1024 for size in sizes]} kB")
            assert max(sizes[4:]) < 1.2 * max(sizes[:4]), "ten thousand names are remembered, and no more"
            line.heal()
            desk.assert_all_is_there()


def test_a_disk_that_is_full_is_an_outage_like_any_other(server: RestartableServer, url: str) -> None:
    """Breakers never seen before need room of their own."""
    database = url.rpartition("/")[2]
    with Disk() as disk, moved_to(disk, server, database), reporting(create_engine(url), url) as desk:
        desk.report("first")
        desk.assert_all_is_there()
        disk.fill()
        names = [f"{number:04} " + "x" * 150 for number in range(600)]
        desk.report(*names)
        eventually(lambda: desk.lines, "it says so")
        assert "cannot write" in desk.lines[0]
        assert desk.reporter.counts.waiting
        disk.free()
        desk.assert_all_is_there()
        assert desk.failures() == dict.fromkeys(["first", *names], 1)
        desk.assert_it_was_told_of_once()


def test_a_trip_that_waited_out_a_crash_pages_once(server: RestartableServer, url: str) -> None:
    settings = {"pricing": driftbreaker.BreakerSettings(failure_threshold=3)}
    with reporting(create_engine(url), url, settings=settings) as desk:
        server.stop_immediately()
        desk.report(times=5)
        eventually(lambda: desk.lines, "it says so")
        server.start()
        desk.reporter.flush()
        eventually(lambda: desk.reporter.counts.flushed == 5, "it is written")
        assert desk.reporter.counts.trips == 1
        with desk.outside.connect() as connection:
            assert connection.execute(text("SELECT count(*) FROM driftbreaker_incidents")).scalar_one() == 1
