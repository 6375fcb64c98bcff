"""An asyncio reporter whose host ends its event loop, its tasks or its program: it neither hangs nor loses count."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from driftbreaker import AsyncReporter, Event, listen
from driftbreaker.testing import PostgresServer
from tests.support.alertmanagers import eventually
from tests.support.faults import locked
from tests.support.line import Line
from tests.support.pooler import port_of
from tests.support.reported import KINDS, Desk, cancel_all, engine_for, reporting

LOST = "has lost its task, or its event loop has ended: reports wait in memory"


@pytest.fixture(params=["sqlite", "postgres"])
def desk(request: pytest.FixtureRequest) -> Iterator[Desk]:
    url = request.getfixturevalue(f"{request.param}_url")
    with reporting(engine_for("task", url), url, started=False) as desk:
        yield desk


@pytest.fixture
def reporter(desk: Desk) -> Any:
    """The reporter itself, for event loops of a test's own; that of the desk has not begun."""
    return desk.reporter._target


async def used(reporter: AsyncReporter, desk: Desk) -> None:
    """Start it, have it write something, and forget about it."""
    reporter.start()
    desk.report()
    async with asyncio.timeout(15):
        while reporter.counts.waiting:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def abandon(work: Any) -> None:
    """Run something in an event loop that ends without ending its tasks."""
    loop = asyncio.new_event_loop()
    loop.run_until_complete(work)
    loop.close()


ENDS = {"its tasks are cancelled": asyncio.run, "its tasks are left": abandon}
# asyncio and the drivers say what they think of hosts that leave their tasks and connections.
pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning", "ignore::RuntimeWarning", "ignore::ResourceWarning"
)


@pytest.fixture(autouse=True)
def _said_here() -> Iterator[None]:
    """Have that said within the test that it is said of."""
    yield
    gc.collect()


@pytest.mark.parametrize("end", ENDS)
def test_it_is_started_again_in_a_second_event_loop(desk: Desk, reporter: Any, end: str) -> None:
    ENDS[end](used(reporter, desk))
    asyncio.run(used(reporter, desk))
    asyncio.run(reporter.close())
    desk.assert_all_is_there()
    assert desk.failures() == {"pricing": 2}


@pytest.mark.parametrize("end", ENDS)
def test_who_reports_after_the_event_loop_is_told_once_and_closing_it_in_another_writes_all(
    desk: Desk, reporter: Any, end: str
) -> None:
    ENDS[end](used(reporter, desk))
    desk.report(times=20)
    assert len([line for line in desk.lines if LOST in line]) == 1, desk.lines
    assert reporter.counts.waiting == 20
    asyncio.run(reporter.close())
    assert reporter.counts.flushed == 21
    desk.assert_all_is_there()
    assert [line for line in desk.lines if LOST not in line and "write" not in line] == []


@pytest.mark.parametrize("at_once", [True, False])
def test_a_host_that_cancels_all_tasks_and_then_closes_it_loses_nothing(
    desk: Desk, reporter: Any, at_once: bool
) -> None:
    async def host() -> None:
        reporter._options.__dict__["interval"] = 60.0
        reporter.start()
        desk.report(times=10)
        await asyncio.sleep(0)
        if at_once:
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
        else:
            await cancel_all()
        await reporter.close()

    asyncio.run(host())
    assert reporter.counts.flushed == 10
    desk.assert_all_is_there()
    assert desk.lines == []


def test_who_lost_its_task_is_told_and_starts_it_again(desk: Desk, reporter: Any) -> None:
    async def host() -> None:
        for turn in range(2):
            reporter.start()
            await cancel_all()
            desk.report()
            assert len([line for line in desk.lines if LOST in line]) == turn + 1
        await used(reporter, desk)
        await reporter.close()

    asyncio.run(host())
    desk.assert_all_is_there()
    assert reporter.counts.flushed == 3


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_what_a_signals_handler_raises_amid_a_flush_ends_the_program_and_loses_nothing(
    desk: Desk, reporter: Any, error: type[BaseException]
) -> None:
    """By chance it is our task that the signal comes to: it is the host's all the same."""

    def handler(*_: Any) -> None:
        event.remove(reporter._engine.sync_engine, "before_cursor_execute", handler)
        raise error

    async def host() -> None:
        reporter.start()
        event.listen(reporter._engine.sync_engine, "before_cursor_execute", handler)
        desk.report()
        await asyncio.sleep(20)

    began = time.monotonic()
    with pytest.raises(error):
        asyncio.run(host())
    assert time.monotonic() - began < 10
    asyncio.run(reporter.close())
    assert reporter.counts.flushed == 1
    desk.assert_all_is_there()


def test_ctrl_c_amid_a_listener_is_the_hosts(desk: Desk, reporter: Any) -> None:
    def listener(_event: Event) -> None:
        remove()
        raise KeyboardInterrupt

    async def host() -> None:
        reporter.start()
        desk.report()
        await asyncio.sleep(20)

    began, remove = time.monotonic(), listen(listener)
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(host())
    assert time.monotonic() - began < 10
    asyncio.run(reporter.close())
    desk.assert_all_is_there()


def test_closing_it_in_another_event_loop_ends_it_in_its_own(desk: Desk) -> None:
    desk.reporter.start()
    desk.reporter._options.__dict__["interval"] = 60.0
    desk.report(times=10)
    asyncio.run(desk.reporter._target.close())
    assert desk.reporter.counts.flushed == 10
    desk.assert_all_is_there()
    names = [task.get_name() for task in asyncio.all_tasks(desk.reporter.loop)]
    assert "driftbreaker-reporter" not in names


def test_what_another_event_loop_is_amid_is_neither_waited_for_nor_written_twice(desk: Desk) -> None:
    begun, release = threading.Event(), threading.Event()

    def hang(*_: Any) -> None:
        begun.set()
        assert release.wait(20)

    desk.reporter.start()
    event.listen(desk.reporter._engine.sync_engine, "commit", hang)
    desk.report(times=10)
    assert begun.wait(10)
    desk.report("search")
    assert asyncio.run(asyncio.wait_for(desk.reporter._target.flush(), 10)) is False
    assert desk.reporter.counts.waiting == 11
    release.set()
    desk.assert_all_is_there()
    assert desk.failures() == {"pricing": 10, "search": 1}


def test_what_an_event_loop_was_amid_when_it_ended_is_written_by_the_next(
    postgres: PostgresServer, postgres_database: str
) -> None:
    url = postgres.url(postgres_database)
    names = [f"{number:03}" for number in range(120)]
    with Line(port_of(postgres)) as line, reporting(engine_for("task", line.url(url)), url, started=False) as desk:
        reporter = desk.reporter._target

        async def host() -> None:
            await used(reporter, desk)
            line.silence()
            desk.report(*names)
            while reporter._flusher._current is None:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)

        abandon(host())
        line.heal()
        line.cut()
        asyncio.run(reporter.close())
        gc.collect()  # whatever the first loop left goes on here, to its end
        desk.assert_all_is_there()
        assert reporter.counts.waiting == 0
        assert reporter.counts.dropped == 0
        assert reporter.counts.in_doubt <= 50


def test_a_flush_that_the_host_gives_up_loses_nothing(sqlite_database: Path) -> None:
    url = f"sqlite:///{sqlite_database}"

    def slow(url: str, **_: Any) -> Any:
        return engine_for("task", url, connect_args={"timeout": 1.0})

    with locked(sqlite_database, slow) as fault, reporting(fault.engine, url, started=False) as desk:

        async def host() -> None:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(desk.reporter._target.flush(), 0.1)

        desk.report(times=10)
        fault.begin()
        desk.reporter.wait_for(host())
        assert desk.reporter.counts.waiting == 10
        fault.end()
        assert desk.reporter.flush()
        desk.assert_all_is_there()


def test_closing_it_that_the_host_gives_up_drops_what_waits_and_counts_it(sqlite_database: Path) -> None:
    url = f"sqlite:///{sqlite_database}"

    def slow(url: str, **_: Any) -> Any:
        return engine_for("task", url, connect_args={"timeout": 1.0})

    with locked(sqlite_database, slow) as fault, reporting(fault.engine, url) as desk:

        async def host() -> None:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(desk.reporter._target.close(), 0.1)

        fault.begin()
        desk.report(times=10)
        desk.reporter.wait_for(host())
        desk.report()
        eventually(lambda: not desk.reporter.counts.waiting, "what was under way is settled")
        desk.assert_counts_are_exact()
        assert desk.reporter.counts.why_dropped == {"closed": 11}
        fault.end()
    assert desk.failures() == {}


@pytest.mark.parametrize("kind", KINDS)
def test_closing_one_that_was_never_started_keeps_its_time(
    postgres: PostgresServer, postgres_database: str, kind: str
) -> None:
    """Whatever the patience of a flush is: the server accepts, and says nothing."""
    url = postgres.url(postgres_database)
    with Line(port_of(postgres)) as line:
        line.silence()
        # A thread that connects can be called back by nobody, but by the driver's own timeout.
        engine = engine_for(kind, line.url(url), connect_args={"connect_timeout": 2} if kind == "thread" else {})
        with reporting(engine, url, started=False, patience=6.0) as desk:
            desk.report(times=10)
            began = time.monotonic()
            desk.reporter.close(timeout=0.5)
            assert time.monotonic() - began < 2.5
            eventually(lambda: not ours(), "its threads end")
            desk.assert_counts_are_exact()
            assert desk.reporter.counts.why_dropped == {"closed": 10}


def ours() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("driftbreaker-reporter")]


FORGETFUL = """
import asyncio, sys
from sqlalchemy.ext.asyncio import create_async_engine
from driftbreaker import AsyncReporter
async def host():
    engine = create_async_engine(sys.argv[1])
    reporter = AsyncReporter(engine, interval=60.0)
    reporter.start()
    await asyncio.sleep(0)
    for _ in range(10):
        reporter.report("pricing", 0.5)
asyncio.run(host())
"""


def test_a_program_that_ends_without_closing_it_is_told_what_that_costs(sqlite_url: str) -> None:
    url = sqlite_url.replace("sqlite://", "sqlite+aiosqlite://")
    command = [sys.executable, "-W", "error", "-c", FORGETFUL, url]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=root)
    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        "driftbreaker: a reporter was not closed before its event loop ended: await close()",
        "driftbreaker: the reporter dropped 10 reports: in all 10 closed",
    ]
