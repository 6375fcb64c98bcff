"""A board that reads from a replica: woken by the primary, patient with the lag, and never led back to older news."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine

import driftbreaker
from driftbreaker import Basis, Outage
from tests.support.alertmanagers import always, eventually
from tests.support.line import Line
from tests.support.servers import Replica, RestartableServer
from tests.support.size import LONG
from tests.support.watched import announced, close_, open_, running, watched

LAG = 0.3
KNOWN_OPEN, KNOWN_CLOSED = (Basis.DATABASE, True), (Basis.DATABASE, False)


@pytest.fixture(scope="module")
def primary() -> Iterator[RestartableServer]:
    with RestartableServer() as server:
        yield server


@pytest.fixture(scope="module")
def replica(primary: RestartableServer) -> Iterator[Replica]:
    with Replica(of=primary) as replica:
        yield replica


@pytest.fixture
def database(primary: RestartableServer, replica: Replica) -> Iterator[str]:
    name = primary.create_database()
    engine = create_engine(primary.url(name))
    driftbreaker.metadata.create_all(engine)
    engine.dispose()
    replica.catch_up()
    yield name
    replica.terminate_backends(name)
    primary.drop_database(name)


@pytest.mark.parametrize("driver", ["psycopg", "psycopg-async", "asyncpg"])
def test_woken_by_the_primary_it_reads_again_until_the_replica_shows_it(
    primary: RestartableServer, replica: Replica, database: str, driver: str
) -> None:
    """It polls once an hour: without the news from the primary, it would see nothing."""
    through = "asyncpg" if driver == "asyncpg" else "psycopg"
    reads, hears = replica.url(database, through), primary.url(database, through)
    replica.delay(int(LAG * 1000))
    try:
        with (
            announced() as said,
            running(driver, reads, listen_on=hears, poll=3_600.0, stale_after=86_400.0) as board,
        ):
            handle = board.board["pricing"]
            eventually(lambda: said.kinds()["listening"] == 1 and handle.version == 0, "it is at rest")
            for change, is_open in ((open_, True), (close_, False)):
                change(primary.url(database), "pricing")
                began = time.monotonic()
                eventually(lambda wanted=is_open: handle.is_open is wanted, "it sees it")
                took = time.monotonic() - began
                print(f"\n{driver}: seen after {took:.2f} s on a replica that lags {LAG} s")
                assert took < LAG + 2.0
            said.assert_just(fresh=1, listening=1)
    finally:
        replica.delay(0)


@pytest.mark.parametrize("driver", ["psycopg", *(["asyncpg"] if LONG else [])])
def test_older_news_does_not_undo_newer(
    primary: RestartableServer, replica: Replica, database: str, driver: str
) -> None:
    """The host's name for its replicas leads to another one, which is behind."""
    open_(primary.url(database), "closed by now")
    replica.catch_up()
    replica.pause()
    try:
        open_(primary.url(database), "open by now")
        close_(primary.url(database), "closed by now")
        with Replica(of=primary) as ahead, Line(ahead.port) as line:
            ahead.catch_up()
            check_older_news(ahead, line, replica, database, driver)
    finally:
        replica.resume()


def check_older_news(ahead: Replica, line: Line, behind: Replica, database: str, driver: str) -> None:
    url = line.url(ahead.url(database, driver))
    with announced() as said, running(driver, url, poll=0.05, stale_after=3.0, listen=False) as board:
        names = ("open by now", "closed by now")
        handles = [board.board[name] for name in names]
        eventually(lambda: all(handle.version for handle in handles), "it knows the newer")
        with watched(board.board, *names) as watch:
            for reader in watch.readers:
                for seen in reader.answers.values():
                    del seen[:-1]
            line._upstream = behind.port
            line.cut()
            eventually(lambda: said.kinds()["restored"] == 1, "it reads from the one that is behind")
            always(lambda: [handle.is_open for handle in handles] == [True, False], "it keeps what it knew", 1.0)
        assert watch.seen("open by now", Outage.CLOSED) == {(KNOWN_OPEN,)}
        assert watch.seen("closed by now", Outage.OPEN) == {(KNOWN_CLOSED,)}
        behind.resume()
        behind.catch_up()
        always(lambda: [handle.is_open for handle in handles] == [True, False], "it is so", 0.3)


@pytest.mark.parametrize("driver", ["psycopg", "psycopg-async", "asyncpg"])
def test_a_replica_refuses_to_listen_which_is_said_once_and_polling_carries_it(
    primary: RestartableServer, replica: Replica, database: str, driver: str
) -> None:
    through = "asyncpg" if driver == "asyncpg" else "psycopg"
    with announced() as said, running(driver, replica.url(database, through), poll=0.1, stale_after=3.0) as board:
        eventually(lambda: said.kinds()["polling"] == 1, "it finds out")
        assert "during recovery" in said.lines[-1]
        open_(primary.url(database), "pricing")
        eventually(lambda: board.board.is_open("pricing"), "it sees it")
        close_(primary.url(database), "pricing")
        eventually(lambda: not board.board.is_open("pricing"), "it sees it")
        always(lambda: said.kinds() == {"fresh": 1, "polling": 1}, "it says so once", 1.0)
        said.assert_just(fresh=1, polling=1)


def test_a_promoted_replica_is_read_on_and_listened_to() -> None:
    with RestartableServer() as primary, Replica(of=primary) as replica:
        database = primary.create_database()
        engine = create_engine(primary.url(database))
        driftbreaker.metadata.create_all(engine)
        engine.dispose()
        open_(primary.url(database), "open")
        replica.catch_up()
        url = replica.url(database)
        with announced() as said, running("psycopg", url, poll=0.1, stale_after=5.0) as board:
            with watched(board.board, "open", "pricing") as watch:
                eventually(lambda: watch.all_know() and said.kinds()["polling"] == 1, "it polls")
                primary.stop_immediately()
                replica.promote()
                promoted = time.monotonic()
                open_(url, "pricing")
                eventually(lambda: board.board.is_open("pricing"), "it sees what the new primary is told")
                close_(url, "open")
                eventually(lambda: not board.board.is_open("open"), "and goes on")
                eventually(lambda: said.kinds()["listening"] == 1, "it listens there", 60.0)
                print(f"\nlistening {time.monotonic() - promoted:.1f} s after the promotion")
            said.assert_just(fresh=1, polling=1, listening=1)
