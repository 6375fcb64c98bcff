"""No room left, and a file that somebody else keeps locked: boards only read, and say what is true or who knows."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError

import driftbreaker
from driftbreaker import Basis, Outage
from tests.support.alertmanagers import eventually
from tests.support.full import Disk, moved_to
from tests.support.servers import RestartableServer
from tests.support.size import LONG
from tests.support.watched import (
    CANNOT_TELL,
    LONG_KNOWN,
    announced,
    another_process,
    close_,
    open_,
    running,
    watched,
)

KNOWN_OPEN, KNOWN_CLOSED = (Basis.DATABASE, True), (Basis.DATABASE, False)
LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.readline()
"""


def through(driver: str, plain: str) -> str:
    return plain.replace("sqlite:", "sqlite+aiosqlite:") if driver == "aiosqlite" else plain


def report_at_length(url: str) -> None:
    """Commit evidence of many pages."""
    with another_process(url, "pricing") as breaker:
        for _ in range(3):
            breaker.report_drift(0.9, details={str(number): "x" * 500 for number in range(100)})


@pytest.mark.parametrize(("driver", "journal"), [("sqlite", "DELETE"), ("aiosqlite", "WAL"), ("sqlite", "WAL")])
def test_on_a_full_disk_a_sqlite_file_is_read(sqlite_template: Path, driver: str, journal: str) -> None:
    with Disk() as disk:
        path = Path(shutil.copy(sqlite_template, disk.path / "breakers.db"))
        path.chmod(0o666)
        plain = f"sqlite:///{path}"
        with sqlite3.connect(path) as connection:
            connection.execute(f"PRAGMA journal_mode = {journal}")
        connection.close()
        open_(plain, "open")
        check_a_full_disk(
            disk, driver, plain.replace("sqlite:", f"sqlite+{driver}:") if "aio" in driver else plain, plain
        )


@pytest.mark.parametrize("driver", ["psycopg", *(["asyncpg"] if LONG else [])])
def test_on_a_full_disk_a_postgresql_is_read(driver: str) -> None:
    with RestartableServer() as server:
        database = server.create_database()
        engine = create_engine(server.url(database))
        driftbreaker.metadata.create_all(engine)
        engine.dispose()
        open_(server.url(database), "open")
        with Disk() as disk, moved_to(disk, server, database):
            check_a_full_disk(disk, driver, server.url(database, driver), server.url(database))


def check_a_full_disk(disk: Disk, driver: str, url: str, plain: str) -> None:
    with (
        announced() as said,
        running(driver, url, poll=0.05, stale_after=5.0) as board,
        watched(board.board, "open", "pricing") as watch,
    ):
        at_rest = {"fresh"} if "sqlite" in driver else {"fresh", "listening"}
        eventually(lambda: watch.all_know() and said.kinds().keys() == at_rest, "it is at rest")
        said.clear()
        disk.fill()
        for _ in range(20):  # what room there is in pages that the tables have is used up first
            with suppress(OperationalError):
                report_at_length(plain)
                close_(plain, "pricing")
        with pytest.raises(OperationalError):
            report_at_length(plain)
        assert board.board.is_open("open")
        eventually(lambda: board.board.age < 0.5, "it is fresh")
        said.assert_just()
        disk.free()
        close_(plain, "open")
        eventually(lambda: not board.board.is_open("open"), "it sees what was written at last")
        said.assert_just()
    for policy in (Outage.OPEN, Outage.CLOSED):
        assert {course[-2:] for course in watch.seen("open", policy)} == {(KNOWN_OPEN, KNOWN_CLOSED)}


@contextmanager
def locked_by_another_process(path: Path) -> Iterator[None]:
    with subprocess.Popen(
        [sys.executable, "-c", LOCK, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        try:
            yield
        finally:
            process.communicate("\n")


@pytest.mark.parametrize("driver", ["sqlite", "aiosqlite"])
def test_a_file_that_is_locked_for_long_is_one_that_nobody_knows(sqlite_database: Path, driver: str) -> None:
    plain = f"sqlite:///{sqlite_database}"
    url = through(driver, plain)
    open_(plain, "open")
    options = {"poll": 0.05, "stale_after": 0.6, "connect_args": {"timeout": 0.1}}
    with announced() as said, running(driver, url, **options) as board:
        eventually(lambda: board.board["open"].basis is Basis.DATABASE, "it knows")
        with watched(board.board, "open", "closed") as watch:
            said.clear()
            with locked_by_another_process(sqlite_database):
                eventually(watch.nobody_knows, "it is stale")
                said.assert_just(failing=1, stale=1)
                assert "database is locked" in said.lines[0]
            eventually(lambda: watch.all_know() and said.kinds()["restored"], "it knows again")
            said.assert_just(failing=1, stale=1, fresh=1, restored=1)
    for name, known in (("open", KNOWN_OPEN), ("closed", KNOWN_CLOSED)):
        for policy in (Outage.OPEN, Outage.CLOSED):
            assert watch.seen(name, policy) == {(known, (Basis.OUTAGE, policy.is_open), known)}
        assert watch.checked(name, Outage.RAISE) == {(known[1], CANNOT_TELL, known[1])}
        assert watch.seen(name, LONG_KNOWN) == {(known,)}


@pytest.mark.parametrize("driver", ["sqlite", "aiosqlite"])
def test_a_file_that_is_locked_for_a_while_is_waited_for(sqlite_database: Path, driver: str) -> None:
    plain = f"sqlite:///{sqlite_database}"
    url = through(driver, plain)
    with running(driver, url, poll=0.05, stale_after=10.0, connect_args={"timeout": 5.0}) as board:
        eventually(lambda: board.board["pricing"].basis is Basis.DATABASE, "it knows")
        with announced() as said, watched(board.board, "pricing") as watch:
            with locked_by_another_process(sqlite_database):
                eventually(lambda: board.board.age > 0.5, "it waits")
            eventually(lambda: board.board.age < 0.3, "it goes on")
            said.assert_just()
    assert watch.seen("pricing", Outage.OPEN) == {(KNOWN_CLOSED,)}
