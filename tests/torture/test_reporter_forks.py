"""A process with a reporter forks, as servers do that load first: each writes its own, once, and nobody gets stuck."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import create_engine, event, make_url
from sqlalchemy.ext.asyncio import create_async_engine

from tests.support.alertmanagers import eventually
from tests.support.intruder import Intruder
from tests.support.reported import BAD, NEVER, Desk, reporting
from tests.support.size import size
from tests.torture.test_board_forks import children

CHILDREN = 4
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


@pytest.fixture(params=["sqlite", "postgres"])
def desk(request: pytest.FixtureRequest) -> Iterator[Desk]:
    url = request.getfixturevalue(f"{request.param}_url")
    arguments = {"timeout": 30.0} if request.param == "sqlite" else {}
    with reporting(create_engine(url, connect_args=arguments), url) as desk:
        yield desk


def worker(desk: Desk) -> Callable[[str], Any]:
    """What a child can be asked: how much waits, to report so many times, to wait until that is written, to end."""

    def work(word: str) -> Any:
        what, _, count = word.partition(" ")
        counts = desk.reporter.counts
        if what == "report":
            for _ in range(int(count)):
                desk.reporter.report("pricing", BAD)
        elif what == "written":
            deadline = time.monotonic() + 15
            while desk.reporter.counts.flushed < int(count) and time.monotonic() < deadline:
                time.sleep(0.005)
            return desk.reporter.counts.flushed
        elif what == "close":
            desk.reporter.close()
            return desk.reporter.counts.flushed
        return counts.reported

    return work


@contextmanager
def restless(desk: Desk, threads: int = 4) -> Iterator[None]:
    """Threads that report without end; all their calls are counted."""
    over, calls = threading.Event(), [0] * threads

    def go_on(number: int) -> None:
        while not over.is_set():
            desk.reporter.report("pricing", BAD)
            calls[number] += 1
            time.sleep(0.0005)

    crowd = [threading.Thread(target=go_on, args=(number,)) for number in range(threads)]
    for each in crowd:
        each.start()
    try:
        yield
    finally:
        over.set()
        for each in crowd:
            each.join(20)
            assert not each.is_alive(), "who reports is stuck"
        desk.calls += sum(calls)


def test_the_parent_makes_and_starts_it_and_the_children_report(desk: Desk) -> None:
    """As with gunicorn that preloads, and that has reported itself: its connection is in the pool."""
    desk.report(times=3)
    eventually(lambda: desk.reporter.counts.flushed == 3, "the parent's is written")
    with children(CHILDREN, worker(desk)) as family:
        assert [child.ask("begin") for child in family] == [0] * CHILDREN
        for child in family:
            child.ask("report 100")
        assert [child.ask("written 100") for child in family] == [100] * CHILDREN
        for child in family:
            child.ask("report 7")
        assert [child.ask("close") for child in family] == [107] * CHILDREN
        assert [child.leave() for child in family] == [0] * CHILDREN
    desk.report(times=10)
    eventually(lambda: desk.reporter.counts.waiting == 0, "the parent's is written")
    assert desk.reporter.counts.flushed == 13
    assert desk.failures() == {"pricing": 13 + 107 * CHILDREN}


def test_a_child_begins_with_nothing_and_what_waited_is_the_parents(desk: Desk) -> None:
    desk.reporter._options.__dict__["interval"] = 60.0
    desk.report(times=50)
    with children(CHILDREN, worker(desk)) as family:
        assert [child.ask("begin") for child in family] == [0] * CHILDREN
        assert [child.ask("close") for child in family] == [0] * CHILDREN
        assert [child.leave() for child in family] == [0] * CHILDREN
    assert desk.reporter.flush()
    assert desk.failures() == {"pricing": 50}


def test_forks_amid_reports_and_flushes_leave_nobody_stuck_and_write_nothing_twice(desk: Desk) -> None:
    """Children forked at any moment of four threads that report and one that flushes."""
    written = 0
    with restless(desk):
        for number in range(size(15, 300)):
            time.sleep(0.001 * (number % 7))
            with children(1, worker(desk)) as (child,):
                assert child.ask("begin") == 0
                child.ask("report 5")
                assert child.ask("written 5") == 5, number
                assert child.leave() == 0
            written += 5
    eventually(lambda: desk.reporter.counts.waiting == 0, "the parent's are written")
    assert desk.reporter.counts.flushed == desk.calls
    assert desk.failures() == {"pricing": desk.calls + written}


def test_a_child_of_multiprocessings_writes_what_it_reported_before_it_ends(desk: Desk) -> None:
    """It ends without the exit handlers of a program."""
    desk.reporter._options.__dict__["interval"] = 60.0
    context = multiprocessing.get_context("fork")

    def work() -> None:
        desk.report(times=10)

    with restless(desk, 2):
        family = [context.Process(target=work) for _ in range(CHILDREN)]
        for child in family:
            child.start()
        for child in family:
            child.join(20)
            assert child.exitcode == 0
    assert desk.reporter.flush()
    assert desk.failures() == {"pricing": desk.calls + 10 * CHILDREN}


def test_a_child_that_is_closed_or_was_never_started_is_no_trouble(desk: Desk) -> None:
    desk.report()
    desk.reporter.close()

    def work(_word: str) -> Any:
        desk.reporter.report("pricing", BAD)
        return dict(desk.reporter.counts.why_dropped)

    with children(1, work) as (child,):
        assert child.ask("report") == {"closed": 1}
        assert child.leave() == 0


def test_a_child_may_report_amid_the_start_of_its_thread(desk: Desk) -> None:
    """Its first report starts that, and a signal's handler may report meanwhile."""

    def work(_word: str) -> Any:
        intruder = Intruder(desk.reporter, most=200, within="_start")
        sys.settrace(intruder.trace)
        desk.reporter.report("pricing", BAD)
        sys.settrace(None)
        desk.reporter.close()
        return [intruder.calls, desk.reporter.counts.flushed]

    with children(1, work) as (child,):
        calls, flushed = child.ask("report")
        assert flushed == calls + 1 > 20
        assert child.leave() == 0


@pytest.mark.parametrize("driver", ["sqlite+aiosqlite", "postgresql+asyncpg", "postgresql+psycopg"])
def test_a_child_starts_it_again_in_an_event_loop_of_its_own(request: pytest.FixtureRequest, driver: str) -> None:
    """With connections of its own: those that the parent's flushes left in the pool are the parent's."""
    url = request.getfixturevalue("sqlite_url" if "sqlite" in driver else "postgres_url")
    with reporting(create_async_engine(make_url(url).set(drivername=driver)), url) as desk:
        desk.report(times=3)
        desk.assert_all_is_there()
        reporter = desk.reporter._target

        async def live(times: int) -> dict[str, int]:
            reporter.start()
            for _ in range(times):
                reporter.report("pricing", BAD)
            while reporter.counts.waiting:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            await reporter.close()
            return {"reported": reporter.counts.reported, "flushed": reporter.counts.flushed}

        def work(word: str) -> Any:
            if word == "wait":
                reporter.report("pricing", BAD)
                return reporter.counts.waiting
            return asyncio.run(live(int(word)))

        with children(CHILDREN, work) as family:
            assert [child.ask("wait") for child in family] == [1] * CHILDREN
            for child in family:
                child.tell("100")
            desk.report(times=50)
            assert [child.answer() for child in family] == [{"reported": 101, "flushed": 101}] * CHILDREN
            desk.assert_counts_are_exact()
            assert [child.leave() for child in family] == [0] * CHILDREN
        desk.report(times=10)
        eventually(lambda: desk.reporter.counts.waiting == 0, "the parent's are written")
        assert desk.failures() == {"pricing": 63 + 101 * CHILDREN}


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_who_flushes_by_hand_shares_no_connection_with_its_children(
    request: pytest.FixtureRequest, database: str
) -> None:
    url = request.getfixturevalue(f"{database}_url")
    with reporting(create_engine(url), url, started=False) as desk:
        desk.report()
        assert desk.reporter.flush()

        def work(_word: str) -> Any:
            desk.reporter.report("pricing", BAD)
            return desk.reporter.flush()

        with children(CHILDREN, work) as family:
            for turn in range(5):
                for child in family:
                    child.tell("flush")
                desk.report()
                assert desk.reporter.flush(), turn
                assert [child.answer() for child in family] == [True] * CHILDREN
            assert [child.leave() for child in family] == [0] * CHILDREN
        assert desk.failures() == {"pricing": 1 + 5 * (CHILDREN + 1)}


def test_a_child_that_can_have_no_thread_flushes_at_its_end(desk: Desk) -> None:
    """Reports raise nothing, whatever the machine is short of."""

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    def work(_word: str) -> Any:
        threading.Thread.start = refuse  # type: ignore[method-assign]
        for _ in range(5):
            desk.reporter.report("pricing", BAD)
        waiting = desk.reporter.counts.waiting
        desk.reporter.close()
        return [waiting, desk.reporter.counts.flushed]

    with children(1, work) as (child,):
        assert child.ask("report") == [5, 5]
        assert child.leave() == 0
    assert desk.failures() == {"pricing": 5}


def test_a_grandchild_is_a_child_like_any_other(desk: Desk) -> None:
    def work(_word: str) -> Any:
        desk.reporter.report("pricing", BAD)
        pid = os.fork()
        if pid == 0:
            desk.reporter.report("pricing", BAD)
            desk.reporter.close()
            os._exit(0)
        desk.reporter.flush()
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    with children(CHILDREN, work) as family:
        assert [child.ask("go") for child in family] == [0] * CHILDREN
        assert [child.leave() for child in family] == [0] * CHILDREN
    assert desk.failures() == {"pricing": 2 * CHILDREN}


def test_a_fork_does_not_wait_for_ever_for_a_flush_that_hangs(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("driftbreaker.reporter.sending.FORK_WAITS", 1.0)
    engine, release, begun = create_engine(sqlite_url), threading.Event(), threading.Event()

    def hang(*_: object) -> None:
        begun.set()
        release.wait(30)

    with reporting(engine, sqlite_url, default=NEVER) as desk:
        event.listen(engine, "commit", hang)
        desk.report()
        assert begun.wait(10)
        began = time.monotonic()
        with children(1, worker(desk)) as (child,):
            assert time.monotonic() - began < 3.0
            assert child.ask("begin") == 0
            assert child.leave() == 0
        release.set()
        desk.assert_all_is_there()
        desk.report()
        desk.assert_all_is_there()
