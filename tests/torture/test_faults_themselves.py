"""The faults that tests are made with: each does what it says, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.ext.asyncio import create_async_engine

from driftbreaker.testing import PostgresServer, available_versions
from tests.support import pooler as pooling
from tests.support.alertmanagers import always, eventually
from tests.support.failing import failing_test
from tests.support.full import Ceiling, Disk, moved_to
from tests.support.pooler import CONNECT_ARGUMENTS, pooler
from tests.support.servers import Replica, RestartableServer
from tests.support.worlds import World

A_WHILE = 0.3


@pytest.fixture(scope="module")
def server() -> Iterator[RestartableServer]:
    with RestartableServer() as server:
        yield server


@pytest.fixture
def database(server: RestartableServer) -> Iterator[str]:
    name = server.create_database()
    with opened(server, name) as connection:
        connection.execute("CREATE TABLE marbles (colour text)")
    yield name
    server.drop_database(name)


def opened(server: PostgresServer, database: str) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(server.url(database).replace("+psycopg", ""), autocommit=True)


def put(server: PostgresServer, database: str, colour: str) -> None:
    with opened(server, database) as connection:
        connection.execute("INSERT INTO marbles VALUES (%s)", [colour])


def marbles(server: PostgresServer, database: str) -> list[object]:
    with opened(server, database) as connection:
        return [colour for (colour,) in connection.execute("SELECT colour FROM marbles ORDER BY colour")]


class TestServer:
    def test_a_crash_loses_what_was_not_committed_and_nothing_else(
        self, server: RestartableServer, database: str
    ) -> None:
        port = server.port
        with closing(opened(server, database)) as connection:
            for number in range(100):
                connection.execute("INSERT INTO marbles VALUES (%s)", [f"{number:02}"])
            connection.execute("BEGIN; INSERT INTO marbles VALUES ('lost')")
            server.stop_immediately()
            with pytest.raises(psycopg.OperationalError):
                connection.execute("COMMIT")
        for _ in range(3):
            with pytest.raises(psycopg.OperationalError, match="refused"):
                opened(server, database)
        server.start()
        assert server.port == port
        assert marbles(server, database) == [f"{number:02}" for number in range(100)]

    def test_it_crashes_again_and_again(self, server: RestartableServer, database: str) -> None:
        for number in range(3):
            put(server, database, str(number))
            server.restart_immediately()
        assert marbles(server, database) == ["0", "1", "2"]

    def test_a_read_only_database_is_read_and_not_written(self, server: RestartableServer, database: str) -> None:
        put(server, database, "blue")
        with closing(opened(server, database)) as connection:
            server.read_only(database)
            with pytest.raises(psycopg.errors.AdminShutdown):
                connection.execute("SELECT 1")
        assert marbles(server, database) == ["blue"]
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            put(server, database, "red")
        server.read_write(database)
        put(server, database, "red")
        assert marbles(server, database) == ["blue", "red"]

    def test_the_administrators_own_database_comes_back_too(self, server: RestartableServer) -> None:
        server.read_only("postgres")
        with opened(server, "postgres") as connection:
            assert connection.execute("SHOW transaction_read_only").fetchone() == ("on",)
        server.read_write("postgres")
        with opened(server, "postgres") as connection:
            assert connection.execute("SHOW transaction_read_only").fetchone() == ("off",)

    def test_only_a_databases_own_backends_are_terminated(self, server: RestartableServer, database: str) -> None:
        with (
            closing(opened(server, database)) as one,
            closing(opened(server, database)) as two,
            closing(opened(server, "postgres")) as other,
        ):
            assert server.terminate_backends(database) == 2
            for connection in (one, two):
                with pytest.raises(psycopg.errors.AdminShutdown):
                    connection.execute("SELECT 1")
            other.execute("SELECT 1")

    @pytest.mark.parametrize("down", [False, True])
    def test_it_leaves_nothing(self, down: bool) -> None:
        with failing_test(), RestartableServer() as server:
            assert server.folder is not None
            pid = postmaster(server)
            server.restart_immediately()
            pids = {pid, postmaster(server)}
            assert len(pids) == 2
            if down:
                server.stop_immediately()
                with pytest.raises(OSError, match="in use"):  # kept for it
                    socket.create_connection(("127.0.0.1", 1), source_address=("127.0.0.1", server.port))
            raise ZeroDivisionError
        assert not server.folder.exists()
        assert not any(map(is_running, pids))
        socket.create_server(("127.0.0.1", server.port)).close()


class TestReplica:
    @pytest.mark.parametrize("version", available_versions())
    def test_it_follows_pauses_and_takes_over(self, version: int) -> None:
        with RestartableServer(version) as server, Replica(of=server) as replica:
            assert replica.version == server.version == version
            name = server.create_database()
            with opened(server, name) as connection:
                connection.execute("CREATE TABLE marbles (colour text)")
            replica.catch_up()
            with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
                put(replica, name, "red")
            replica.pause()
            put(server, name, "blue")
            always(lambda: marbles(replica, name) == [], "the replica stands still")
            replica.resume()
            replica.catch_up()
            assert marbles(replica, name) == ["blue"]

            server.restart_immediately()
            put(server, name, "green")
            replica.catch_up()
            assert marbles(replica, name) == ["blue", "green"]

            server.stop_immediately()
            replica.promote()
            put(replica, name, "red")
            assert marbles(replica, name) == ["blue", "green", "red"]

    def test_it_lags_as_told(self, server: RestartableServer, database: str) -> None:
        with Replica(of=server) as replica:
            replica.delay(600)
            began = time.monotonic()
            put(server, database, "blue")
            eventually(lambda: marbles(replica, database) == ["blue"], "the replica shows it")
            assert time.monotonic() - began >= 0.6
            replica.delay(60_000)
            put(server, database, "red")
            always(lambda: marbles(replica, database) == ["blue"], "the replica waits")
            replica.delay(0)
            replica.catch_up()
            assert marbles(replica, database) == ["blue", "red"]
        assert replica.folder is not None
        assert not replica.folder.exists()


class TestPooler:
    def test_transactions_of_two_clients_share_one_session(self, server: RestartableServer, database: str) -> None:
        with pooler(server, size=1) as pool, pooled(pool.url(database)) as one, pooled(pool.url(database)) as two:
            pids = {backend(client) for client in (one, two, one, two)}
            assert len(pids) == 1

    def test_a_session_is_kept_from_others_in_session_mode(self, server: RestartableServer, database: str) -> None:
        with (
            pooler(server, "session", size=1) as pool,
            ThreadPoolExecutor() as threads,
            pooled(pool.url(database)) as one,
        ):
            pid = backend(one)
            waiting = threads.submit(once, pool.url(database))
            time.sleep(A_WHILE)
            assert not waiting.done()
            one.close()
            assert waiting.result(10) == pid

    def test_psycopg_needs_its_argument(self, server: RestartableServer, database: str) -> None:
        """Else it names what it prepares, and finds it missing in another session, or there before."""

        def execute_often(arguments: dict[str, object]) -> None:
            engine = create_engine(pool.url(database), connect_args=arguments)
            try:
                for _ in range(2):
                    with engine.connect() as one, engine.connect() as two:
                        for _ in range(8):
                            for client in (one, two):
                                client.execute(text("SELECT colour FROM marbles"))
                                client.commit()
            finally:
                engine.dispose()

        with pooler(server, size=1) as pool:
            execute_often(CONNECT_ARGUMENTS["psycopg"])
            if pooler_version() < (1, 21):
                with pytest.raises(DBAPIError, match="prepared statement"):
                    execute_often({})

    def test_asyncpg_goes_through_it_with_its_own(self, server: RestartableServer, database: str) -> None:
        async def execute_often() -> None:
            url = pool.url(database, "asyncpg")
            engine = create_async_engine(url, connect_args=CONNECT_ARGUMENTS["asyncpg"])
            async with engine.connect() as one, engine.connect() as two:
                for _ in range(8):
                    for client in (one, two):
                        await client.execute(text("SELECT colour FROM marbles"))
                        await client.commit()
            await engine.dispose()

        with pooler(server, size=1) as pool:
            asyncio.run(execute_often())

    def test_nobody_is_notified_through_it(self, server: RestartableServer, database: str) -> None:
        with pooler(server, size=1) as pool, pooled(pool.url(database)) as one, pooled(pool.url(database)) as two:
            one.execute("LISTEN marbles")
            two.execute("NOTIFY marbles")
            assert list(one.notifies(timeout=A_WHILE)) == []

    def test_it_finds_a_server_that_came_back(self, server: RestartableServer, database: str) -> None:
        with pooler(server, server_login_retry=1) as pool:
            first = once(pool.url(database))
            server.restart_immediately()
            assert once(pool.url(database)) != first

    def test_it_is_unprivileged_and_leaves_nothing(self, server: RestartableServer) -> None:
        with failing_test(), pooler(server) as pool:
            assert Path(f"/proc/{pool.pid}").stat().st_uid != 0
            raise ZeroDivisionError
        assert not is_running(pool.pid)
        socket.create_server(("127.0.0.1", pool.port)).close()

    def test_where_it_is_missing_one_is_told_how_to_get_it(
        self, server: RestartableServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
        with pytest.raises(AssertionError, match="apt-get install pgbouncer"), pooler(server):
            pass


class TestFull:
    def test_a_file_under_a_ceiling_is_read_and_does_not_grow(self, sqlite_world: World) -> None:
        ceiling = Ceiling(sqlite_world.sync_engine)
        with sqlite_world.committed("before") as breaker:
            breaker.disable("off", actor="alice")
        ceiling.lower()
        before = sqlite_world.everything()
        with pytest.raises(OperationalError, match="database or disk is full"):
            report_at_length(sqlite_world)
        with sqlite_world.session() as session:
            assert sqlite_world.breaker(session, "before").is_disabled()
        assert sqlite_world.everything() == before
        ceiling.lift()
        report_at_length(sqlite_world)
        assert sqlite_world.everything() != before

    @pytest.mark.parametrize("journal", ["DELETE", "WAL"])
    def test_a_full_disk_refuses_the_smallest_change(self, journal: str) -> None:
        with Disk() as disk, closing(sqlite3.connect(disk.path / "small.db", isolation_level=None)) as connection:
            connection.execute(f"PRAGMA journal_mode = {journal}")
            connection.execute("CREATE TABLE marbles (colour text)")
            connection.execute("INSERT INTO marbles VALUES ('blue')")
            disk.fill()
            with pytest.raises(sqlite3.OperationalError, match="disk is full"):
                connection.execute("UPDATE marbles SET colour = 'red'")
            assert connection.execute("SELECT * FROM marbles").fetchall() == [("blue",)]
            disk.free()
            connection.execute("UPDATE marbles SET colour = 'red'")

    def test_postgresqls_tables_do_not_grow_on_a_full_disk(self, server: RestartableServer, database: str) -> None:
        with Disk() as disk, moved_to(disk, server, database):
            put(server, database, "blue")
            disk.fill()
            for _ in range(100):
                with suppress(psycopg.errors.DiskFull):
                    put(server, database, "x" * 1000)
            with pytest.raises(psycopg.errors.DiskFull):
                put(server, database, "x" * 1000)
            assert "blue" in marbles(server, database)
            disk.free()
            put(server, database, "x" * 100_000)
        assert "blue" in marbles(server, database)

    def test_a_disk_is_taken_away_though_files_are_open(self) -> None:
        with failing_test(), Disk() as disk, (disk.path / "open").open("w"):
            raise ZeroDivisionError
        assert not disk.path.exists()


def report_at_length(world: World) -> None:
    """Commit evidence of many pages."""
    with world.committed() as breaker:
        for _ in range(3):
            breaker.report_drift(0.9, details={str(number): "x" * 500 for number in range(50)})


HOLD_EVERYTHING = """
import sys, time
from tests.support.failing import failing_test
from tests.support.full import Disk
from tests.support.pooler import pooler
from tests.support.servers import Replica, RestartableServer
with RestartableServer() as server, Replica(of=server) as replica, pooler(server) as pool, Disk() as disk:
    server.restart_immediately()
    pids = [(each.folder / "data" / "postmaster.pid").read_text().split()[0] for each in (server, replica)]
    print(*pids, pool.pid, server.folder, replica.folder, disk.path, flush=True)
    time.sleep(60)
"""


def test_a_killed_test_leaves_nothing_either() -> None:
    root = Path(__file__).parents[2]
    with subprocess.Popen([sys.executable, "-c", HOLD_EVERYTHING], cwd=root, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        said = run.stdout.readline().split()
        run.send_signal(signal.SIGKILL)
    pids, folders = [int(pid) for pid in said[:3]], [Path(folder) for folder in said[3:]]
    assert len(folders) == 3
    eventually(lambda: not any(map(is_running, pids)), "the processes are gone")
    eventually(lambda: not any(folder.exists() for folder in folders), "the folders are gone")


def postmaster(server: PostgresServer) -> int:
    assert server.folder is not None
    return int((server.folder / "data" / "postmaster.pid").read_text().split()[0])


def is_running(pid: int) -> bool:
    """Not counting zombies: who collects those depends on the machine's init."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return state.stdout.strip()[:1] not in {"", "Z"}


def pooled(url: str) -> psycopg.Connection[tuple[object, ...]]:
    plain = url.replace("+psycopg", "")
    return psycopg.connect(plain, autocommit=True, **CONNECT_ARGUMENTS["psycopg"])


def backend(client: psycopg.Connection[tuple[object, ...]]) -> object:
    row = client.execute("SELECT pg_backend_pid()").fetchone()
    assert row is not None
    return row[0]


def once(url: str) -> object:
    with pooled(url) as client:
        return backend(client)


def pooler_version() -> tuple[int, ...]:
    said = subprocess.run([pooling.program(), "--version"], capture_output=True, text=True, check=True).stdout
    return tuple(int(part) for part in said.split()[1].split(".")[:2])
