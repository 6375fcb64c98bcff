"""A process with a board forks, as servers do that load first: every process goes on, with connections of its own."""

from __future__ import annotations

import json
import os
import select
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from driftbreaker import Basis, Outage, Switchboard
from driftbreaker.testing import PostgresServer
from tests.support.alertmanagers import eventually
from tests.support.size import size
from tests.support.watched import close_, open_, running

CHILDREN = 8
PATIENCE = 20.0
POLL = 0.2
SERIOUS = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
pytestmark = SERIOUS


class Child:
    """A forked process that does what it is told, a word at a time, and answers with JSON."""

    def __init__(self, work: Callable[[str], Any]) -> None:
        orders, self._orders = os.pipe()
        self._answers, answers = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            self._live(work, orders, answers)
        os.close(orders)
        os.close(answers)

    def _live(self, work: Callable[[str], Any], orders: int, answers: int) -> None:
        status = 1
        try:
            while (word := os.read(orders, 100).decode()) != "leave":
                os.write(answers, json.dumps(work(word)).encode())
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)

    def ask(self, word: str) -> Any:
        self.tell(word)
        return self.answer()

    def tell(self, word: str) -> None:
        os.write(self._orders, word.encode())

    def answer(self) -> Any:
        ready, _, _ = select.select([self._answers], [], [], PATIENCE)
        assert ready, f"process {self.pid} does not answer"
        answer = os.read(self._answers, 65536)
        assert answer, f"process {self.pid} ended"
        return json.loads(answer)

    def leave(self) -> int:
        """Have it end, and return how it did."""
        self.tell("leave")
        ended: list[int] = []

        def over() -> bool:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                ended.append(os.waitstatus_to_exitcode(status))
            return bool(ended)

        eventually(over, f"process {self.pid} ends", PATIENCE)
        self.close()
        self.pid = 0
        return ended[0]

    def close(self) -> None:
        for end in (self._orders, self._answers):
            os.close(end)

    def kill(self) -> None:
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.close()


@contextmanager
def children(count: int, work: Callable[[str], Any]) -> Iterator[Any]:
    """So many children; those that are still there at the end are killed."""
    family: list[Child] = []
    try:
        for _ in range(count):
            family.append(Child(work))
        yield family
    finally:
        for child in family:
            child.kill()


def wait_until(board: Any, name: str, is_open: bool) -> bool:
    """Whether a board comes to see that within seconds."""
    deadline = time.monotonic() + PATIENCE / 2
    while board.is_open(name) is not is_open or board[name].basis is not Basis.DATABASE:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.002)
    return True


def worker(board: Any) -> Callable[[str], Any]:
    """What a child can be asked: "open pricing" and "closed pricing" wait for it, "age" says how old its news are."""

    def work(word: str) -> Any:
        what, _, name = word.partition(" ")
        return board.age if what == "age" else wait_until(board, name, what == "open")

    return work


def connections(server: PostgresServer, database: str) -> dict[int, int]:
    """The server's processes, and the ports that their clients have."""
    engine = create_engine(server.url("postgres"))
    query = text("SELECT pid, client_port FROM pg_stat_activity WHERE datname = :d AND backend_type = 'client backend'")
    try:
        with engine.connect() as connection:
            return {row.pid: row.client_port for row in connection.execute(query, {"d": database})}
    finally:
        engine.dispose()


def test_every_child_and_the_parent_see_what_happens_after_the_fork(
    postgres: PostgresServer, postgres_database: str
) -> None:
    url = postgres.url(postgres_database)
    with running("psycopg", url, poll=POLL, stale_after=5.0) as parent:
        board = parent.board
        assert not board.is_open("pricing")
        eventually(lambda: len(connections(postgres, postgres_database)) == 2, "it reads and listens")
        own = connections(postgres, postgres_database)
        with children(CHILDREN, worker(board)) as family:
            for number in range(2):
                open_(url, "pricing")
                assert [child.ask("open pricing") for child in family] == [True] * CHILDREN
                assert wait_until(board, "pricing", True), number
                close_(url, "pricing")
                assert [child.ask("closed pricing") for child in family] == [True] * CHILDREN
                assert wait_until(board, "pricing", False), number
            eventually(
                lambda: len(connections(postgres, postgres_database)) == 2 * (CHILDREN + 1),
                "each process has two connections of its own",
            )
            assert own.items() <= connections(postgres, postgres_database).items()
            assert [child.leave() for child in family] == [0] * CHILDREN
        eventually(
            lambda: connections(postgres, postgres_database) == own, "only the parent's are left, and those it had"
        )
        open_(url, "pricing")
        assert wait_until(board, "pricing", True)


def test_a_board_that_is_forked_before_its_start_is_started_by_each(
    postgres: PostgresServer, postgres_database: str
) -> None:
    url = postgres.url(postgres_database)
    engine = create_engine(url)
    board = Switchboard(engine, poll=POLL, stale_after=5.0)
    look = worker(board)

    def work(word: str) -> Any:
        if word == "start":
            board.start()
            return board["pricing"].basis
        return look(word)

    with children(3, work) as family:
        assert [child.ask("start") for child in family] == [Basis.DATABASE] * 3
        assert board["pricing"].basis is Basis.OUTAGE
        board.start()
        open_(url, "pricing")
        assert [child.ask("open pricing") for child in family] == [True] * 3
        assert wait_until(board, "pricing", True)
        assert [child.leave() for child in family] == [0] * 3
    board.close()
    engine.dispose()


class Storm:
    """Trips and recoveries as fast as they can be written, by a thread with connections of its own."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._rage, name="storm", daemon=True)

    def __enter__(self) -> Storm:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _rage(self) -> None:
        import psycopg

        with psycopg.connect(self._url.replace("+psycopg", ""), autocommit=True) as connection:
            while not self._over.is_set():
                connection.execute("SELECT pg_notify('driftbreaker', 'a sign that there is something to read')")


def test_forks_amid_a_storm_of_notifications_leave_nobody_stuck(
    postgres: PostgresServer, postgres_database: str
) -> None:
    url = postgres.url(postgres_database)
    times = size(50, 1000)
    with running("psycopg", url, poll=POLL, stale_after=5.0) as parent, Storm(url):
        board = parent.board
        handles = [board.handle("pricing", str(number)) for number in range(50)]
        for number in range(times):
            with children(1, worker(board)) as (child,):
                began = time.monotonic()
                while time.monotonic() - began < PATIENCE and not child.ask("closed pricing"):
                    pass
                ages = [child.ask("age") for _ in range(2)]
                assert max(ages) < 5.0, number
                assert child.leave() == 0
        assert board.age < 5.0
        assert not any(handle.is_open for handle in handles)


def test_a_child_is_not_stuck_where_the_parents_reader_was_telling_those_who_wait(
    postgres: PostgresServer, postgres_database: str
) -> None:
    """A thread of the parent's that holds a lock at the fork is not there to give it back in the child."""
    with running("psycopg", postgres.url(postgres_database), poll=POLL, stale_after=1.0) as parent:
        board = parent.board
        assert not board.is_open("pricing")
        with board._waiting._read:
            child = Child(worker(board))
        try:
            time.sleep(2.0)
            assert child.ask("age") < 1.0
            open_(postgres.url(postgres_database), "pricing")
            assert child.ask("open pricing") is True
            assert child.leave() == 0
        finally:
            child.kill()


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg-async"])
def test_a_child_of_an_async_board_answers_by_its_outage_policy_until_it_starts_it_again(
    postgres: PostgresServer, postgres_database: str, driver: str
) -> None:
    import asyncio

    through = "asyncpg" if driver == "asyncpg" else "psycopg"
    with running(driver, postgres.url(postgres_database, through), poll=POLL, stale_after=1.0) as parent:
        board = parent.board
        known, closed = board["pricing"], board.handle("pricing", outage=Outage.CLOSED)
        eventually(lambda: len(connections(postgres, postgres_database)) == 2, "it reads and listens")
        own = connections(postgres, postgres_database)

        async def again() -> Any:
            await board.start()
            seen = [known.is_open, closed.is_open, known.basis]
            await board.close()
            return seen

        def work(word: str) -> Any:
            if word == "answers":
                return [known.is_open, closed.is_open, known.basis]
            if word == "later":
                deadline = time.monotonic() + PATIENCE / 2
                while known.basis is not Basis.OUTAGE and time.monotonic() < deadline:
                    time.sleep(0.01)
                return work("answers")
            return asyncio.run(again())

        with children(1, work) as (child,):
            assert child.ask("answers") == [False, False, Basis.DATABASE]
            assert child.ask("later") == [True, False, Basis.OUTAGE]
            assert child.ask("start again") == [False, False, Basis.DATABASE]
            assert child.leave() == 0
        eventually(lambda: connections(postgres, postgres_database) == own, "the parent has those it had")
        open_(postgres.url(postgres_database), "pricing")
        assert wait_until(board, "pricing", True)
