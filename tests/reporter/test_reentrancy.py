"""Reports from where nobody expects them: signal handlers, finalisers, listeners, amid everything we do ourselves."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from driftbreaker import BreakerSettings, Event, listen
from driftbreaker.reporter.flusher import FULL
from tests.support.alertmanagers import eventually
from tests.support.boards import logged
from tests.support.intruder import Intruder
from tests.support.reported import KINDS, Desk, engine_for, reporting

PATIENCE = 20.0


def finishes(work: Callable[[], object], tracer: Any = None) -> bool:
    """Whether a thread gets done with it."""
    errors: list[BaseException] = []

    def run() -> None:
        sys.settrace(tracer)
        try:
            work()
        except BaseException as error:
            errors.append(error)
        finally:
            sys.settrace(None)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert not errors, errors
    return not thread.is_alive()


@pytest.fixture(params=KINDS)
def desk(request: pytest.FixtureRequest, sqlite_url: str) -> Iterator[Desk]:
    with reporting(engine_for(request.param, sqlite_url), sqlite_url, started=False, batch=3) as desk:
        yield desk


#: Whoever flushes by hand, or closes, does so in a thread of its own, and not in an event loop.
in_threads = pytest.mark.parametrize("desk", ["thread"], indirect=True)


def test_who_is_interrupted_anywhere_in_a_report_may_report_again(desk: Desk) -> None:
    desk.reporter.start()
    intruder = Intruder(desk.reporter)

    def work() -> None:
        for _ in range(100):
            desk.report()
        assert desk.reporter.counts.reported

    assert finishes(work, intruder.trace), "it waits for itself"
    assert len(intruder.places) >= 15
    desk.calls += intruder.calls
    desk.assert_all_is_there()


@in_threads
def test_who_is_interrupted_anywhere_in_a_flush_may_report(desk: Desk) -> None:
    intruder = Intruder(desk.reporter)

    def work() -> None:
        for _ in range(5):
            desk.report(times=3)
            desk.reporter.flush()
            assert desk.reporter.counts.reported

    assert finishes(work, intruder.trace), "it waits for itself"
    assert len(intruder.places) >= 100
    desk.calls += intruder.calls
    desk.reporter.flush()
    desk.assert_all_is_there()


def test_a_finaliser_may_report_anywhere_in_the_thread_that_flushes(desk: Desk) -> None:
    """Garbage is collected in whatever thread allocates, in its waiting too."""
    intruder = Intruder(desk.reporter)
    threading.settrace(intruder.trace)
    try:
        desk.reporter.start()
    finally:
        threading.settrace(None)  # type: ignore[arg-type]
    desk.report(times=10)
    eventually(lambda: intruder.calls == 2_000, "it has reported everywhere", PATIENCE)
    desk.calls += 2_000
    desk.assert_all_is_there()
    assert len(intruder.places) >= 60, len(intruder.places)


def test_who_was_interrupted_before_it_rang_is_not_forgotten(desk: Desk) -> None:
    """A time limit's signal may end a call that has reported, and told nobody yet."""
    desk.reporter.start()
    desk.reporter._flusher._stirred = FULL
    desk.report()
    desk.assert_all_is_there()


HEAD = """
import asyncio, gc, signal, sys, threading, time
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import create_async_engine
from driftbreaker import AsyncReporter, BreakerSettings, Reporter
options = {"interval": 0.001, "batch": 5, "settings": {"pricing": BreakerSettings(failure_threshold=1_000_000)}}
calls = 0
def report(*_):
    global calls
    calls += 1
    reporter.report("pricing", 0.5)
class Garbage:
    def __init__(self):
        self.itself = self
    def __del__(self):
        report()
signal.signal(signal.SIGALRM, report)
gc.set_threshold(50)
def check(reporter, what):
    counts = reporter.counts
    assert getattr(counts, what) == calls, (counts, calls)
"""
HOST = """
reporter = Reporter(create_engine(sys.argv[1]), **options)
reporter.start()
signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
over = time.monotonic() + 1.5
while time.monotonic() < over:
    report()
    Garbage()
    assert reporter.counts.reported
    if calls % 50 == 0:
        reporter.flush()
signal.setitimer(signal.ITIMER_REAL, 0)
gc.disable()
check(reporter, "reported")
reporter.close()
check(reporter, "flushed")
print(calls)
"""
#: Where the event loop runs in the main thread, signals come amid its own work, and amid our task.
ASYNC_HOST = """
engine = create_async_engine(sys.argv[1].replace("sqlite:", "sqlite+aiosqlite:"))
reporter = AsyncReporter(engine, **options)
async def host():
    async with reporter:
        signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
        over = time.monotonic() + 1.5
        while time.monotonic() < over:
            report()
            Garbage()
            assert reporter.counts.reported
            if calls % 50 == 0:
                await reporter.flush()
            await asyncio.sleep(0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        gc.disable()
        check(reporter, "reported")
    await engine.dispose()
asyncio.run(host())
check(reporter, "flushed")
print(calls)
"""


@pytest.mark.parametrize("host", [HOST, ASYNC_HOST], ids=KINDS)
def test_a_storm_of_signals_and_finalisers_loses_nothing(sqlite_url: str, host: str) -> None:
    command = [sys.executable, "-W", "error", "-c", HEAD + host, sqlite_url]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, cwd=Path(__file__).parents[2]
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert int(done.stdout) > 1_000


@contextmanager
def heard(listener: Callable[[Event], object]) -> Iterator[None]:
    remove = listen(listener)
    try:
        yield
    finally:
        remove()


def test_a_listener_that_raises_disturbs_nobody(desk: Desk) -> None:
    def listener(_event: Event) -> None:
        raise ValueError("the host's own")

    with heard(listener), logged():
        desk.report(times=10)
        assert desk.reporter.flush()
    desk.assert_all_is_there()


class OutOfTimeError(BaseException):
    """As a library's time limit raises it, past every `except Exception`."""


@pytest.mark.parametrize("error", [SystemExit, OutOfTimeError, asyncio.CancelledError, GeneratorExit])
def test_a_listener_that_would_end_the_thread_or_the_loop_does_not(desk: Desk, error: type[BaseException]) -> None:
    def listener(event: Event) -> None:
        raise error(event.kind)

    desk.reporter.start()
    with heard(listener), logged() as lines:
        desk.report(times=10)
        eventually(lambda: [line for line in lines if "a flush of the reporter failed" in line], "it was tried")
    desk.report(times=10)
    desk.assert_all_is_there()


def test_what_a_listener_left_unwritten_is_written_without_another_report(desk: Desk) -> None:
    """One transaction writes fifty breakers, and after the first the listener raises."""
    names, raised = [f"{number:03}" for number in range(120)], list[str]()

    def listener(event: Event) -> None:
        if event.kind == "reporter_flushed" and not raised:
            raised.append(event.kind)
            raise SystemExit

    desk.report(*names)
    with heard(listener), logged():
        desk.reporter.start()
        desk.assert_all_is_there()
    assert raised
    assert desk.failures() == dict.fromkeys(names, 1)


def test_a_listener_may_report(desk: Desk) -> None:
    """Each flush leaves something to flush, until the listener has enough."""
    again: list[int] = []

    def listener(event: Event) -> None:
        if event.kind == "reporter_flushed" and len(again) < 20:
            again.append(1)
            desk.report("again")

    desk.reporter.start()
    with heard(listener):
        desk.report(times=10)
        eventually(lambda: len(again) == 20, "it has reported")
        desk.assert_all_is_there()
    assert desk.failures() == {"again": 20, "pricing": 10}


@in_threads
def test_a_listener_may_flush_and_is_told_that_somebody_does(desk: Desk) -> None:
    answers: list[bool] = []

    def listener(event: Event) -> None:
        if event.kind == "reporter_flushed":
            desk.report("again")
            answers.append(desk.reporter.flush())

    with heard(listener):
        desk.report()
        assert finishes(desk.reporter.flush), "it waits for itself"
    assert answers == [False]
    assert desk.reporter.flush()
    desk.assert_all_is_there()


@in_threads
def test_a_listener_may_close_it(desk: Desk) -> None:
    def listener(event: Event) -> None:
        if event.kind == "reporter_flushed":
            desk.reporter.close()

    desk.reporter.start()
    with heard(listener), logged() as lines:
        desk.report()
        eventually(lambda: not ours(), "its threads end")
    assert not lines
    desk.report()
    assert desk.reporter.counts.why_dropped == {"closed": 1}


def ours() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("driftbreaker-reporter")]


def test_a_slow_listener_makes_nobody_wait_who_reports(desk: Desk) -> None:
    release = threading.Event()

    def listener(_event: Event) -> None:
        release.wait(PATIENCE)

    desk.reporter.start()
    with heard(listener):
        for _ in range(20):
            desk.report(times=100)
            time.sleep(0.005)
        desk.assert_counts_are_exact()
        assert desk.slowest < 0.1
        release.set()
    desk.assert_all_is_there()


@pytest.mark.parametrize("kind", KINDS)
def test_a_trip_in_the_background_is_heard_of_and_may_report(sqlite_url: str, kind: str) -> None:
    settings, heard_of = {"pricing": BreakerSettings(failure_threshold=3)}, []
    with reporting(engine_for(kind, sqlite_url), sqlite_url, settings=settings) as desk:

        def listener(event: Event) -> None:
            if event.kind == "trip":
                heard_of.append(event.name)
                desk.report("another")

        with heard(listener):
            desk.report(times=5)
            desk.assert_counts_are_exact()
            eventually(lambda: heard_of, "it is heard of")
            eventually(lambda: desk.reporter.counts.flushed == 6, "the other is written")
    assert heard_of == ["pricing"]
