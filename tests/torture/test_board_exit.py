"""A program with a board simply ends: at once, with its own status and not a word."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from driftbreaker.testing import PostgresServer
from tests.support.line import Line
from tests.support.pooler import port_of
from tests.support.size import LONG

ROOT = Path(__file__).parents[2]
HEAD = """
import asyncio, os, sys, time
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import create_async_engine
from driftbreaker import AsyncSwitchboard, Switchboard
url = sys.argv[1]
arguments = {"connect_timeout": 2} if "psycopg" in url else {}
def meet():
    print("known", flush=True)
    sys.stdin.readline()
"""
SYNC = (
    HEAD
    + """
board = Switchboard(create_engine(url, connect_args=arguments), poll=0.1, stale_after=1.0)
board.start()
assert not board.is_open("pricing")
time.sleep(0.3)
meet()
"""
)
ASYNC = (
    HEAD
    + """
async def main():
    board = AsyncSwitchboard(create_async_engine(url, connect_args=arguments), poll=0.1, stale_after=1.0)
    await board.start()
    assert not board.is_open("pricing")
    await asyncio.sleep(0.3)
    await asyncio.to_thread(meet)
    return board
board = asyncio.run(main())
"""
)
FORKING = (
    HEAD
    + """
board = Switchboard(create_engine(url), poll=0.1, stale_after=5.0)
board.start()
time.sleep(0.3)
meet()
children = []
for number in range(4):
    pid = os.fork()
    if pid == 0:
        time.sleep(0.05 * number)
        assert board.age < 5 and not board.is_open("pricing")
        sys.exit(7)
    children.append(pid)
began = time.monotonic()
assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children] == [7] * 4
took = time.monotonic() - began
assert took < 10, took
meet()
"""
)
PROGRAMS = {"psycopg": SYNC, "psycopg-async": ASYNC, "asyncpg": ASYNC, "sqlite": SYNC, "aiosqlite": ASYNC}
UNANSWERED = [("psycopg", False), ("psycopg-async", True), ("asyncpg", False)]
if LONG:
    UNANSWERED += [(driver, not vanished) for driver, vanished in UNANSWERED]


class Program:
    """A script that stops where it says so, until it is told to go on."""

    def __init__(self, text: str, url: str) -> None:
        self._run = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", text, url],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def meets(self) -> None:
        assert self._run.stdout is not None
        if self._run.stdout.readline() != "known\n":
            raise AssertionError(self._run.communicate()[1])

    def go_on(self) -> None:
        assert self._run.stdin is not None
        self._run.stdin.write("\n")
        self._run.stdin.flush()

    def ends(self, *, lines: int = 0) -> float:
        """How many seconds it takes to end as it should, saying no more than so many lines."""
        began = time.monotonic()
        try:
            _, said = self._run.communicate("\n", timeout=20)
        finally:
            self._run.kill()
        took = time.monotonic() - began
        assert self._run.returncode == 0, said
        assert len(said.splitlines()) <= lines, said
        return took


def url_of(request: pytest.FixtureRequest, driver: str) -> str:
    if "sqlite" in driver:
        plain: str = request.getfixturevalue("sqlite_url")
        return plain.replace("sqlite://", "sqlite+aiosqlite://") if driver == "aiosqlite" else plain
    server, database = (request.getfixturevalue(name) for name in ("postgres", "postgres_database"))
    url: str = server.url(database, "asyncpg" if driver == "asyncpg" else "psycopg")
    return url


@pytest.mark.parametrize("driver", PROGRAMS)
def test_a_program_that_never_closes_its_board_ends_at_once_and_silently(
    request: pytest.FixtureRequest, driver: str
) -> None:
    program = Program(PROGRAMS[driver], url_of(request, driver))
    program.meets()
    took = program.ends()
    print(f"\n{driver}: ended within {took:.2f} s")
    assert took < 2


@pytest.mark.parametrize(("driver", "vanished"), UNANSWERED)
def test_it_ends_soon_where_the_database_does_not_answer(
    request: pytest.FixtureRequest, postgres: PostgresServer, driver: str, vanished: bool
) -> None:
    with Line(port_of(postgres)) as line:
        program = Program(PROGRAMS[driver], line.url(url_of(request, driver)))
        program.meets()
        (line.vanish if vanished else line.silence)()
        time.sleep(0.3)  # so that a reading is under way, with nothing to wait for
        took = program.ends(lines=1)  # a logger's: the driver's, or ours, that it is stale by now
        print(f"\n{driver}, no answer: ended within {took:.2f} s")
        assert took < 4


def test_children_that_exit_as_programs_do_cost_the_parent_nothing(
    postgres: PostgresServer, postgres_database: str
) -> None:
    def backends() -> set[int]:
        import psycopg

        with psycopg.connect(postgres.url("postgres").replace("+psycopg", "")) as connection:
            query = "SELECT pid FROM pg_stat_activity WHERE datname = %s AND backend_type = 'client backend'"
            return {pid for (pid,) in connection.execute(query, [postgres_database])}

    program = Program(FORKING, postgres.url(postgres_database))
    program.meets()
    own = backends()
    assert len(own) == 2
    program.go_on()
    program.meets()
    assert own <= backends()
    assert program.ends() < 2
