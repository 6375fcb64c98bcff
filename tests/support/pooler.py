"""A real PgBouncer before a PostgreSQL of the tests.

with pooler(server) as pool:
    engine = create_engine(pool.url(database), connect_args=CONNECT_ARGUMENTS["psycopg"])

In transaction mode every transaction may run on another of the server's sessions. So a driver may prepare no statement
under a name (PgBouncer knows of those since 1.21 only), and what a session keeps is lost or a stranger's: LISTEN, SET,
temporary tables, advisory locks. In URLs, psycopg's argument cannot be said; asyncpg's can, for both of its caches:
`?prepared_statement_cache_size=0` for SQLAlchemy's own, and the rest in `connect_args` all the same.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from driftbreaker.testing import PostgresServer
from driftbreaker.testing.cluster import free_port
from driftbreaker.testing.guard import remove, start_guard

from .alertmanagers import PATIENCE, eventually

MISSING = "no PgBouncer on this machine: apt-get install pgbouncer"
# For create_engine() and create_async_engine(), by driver.
CONNECT_ARGUMENTS: dict[str, dict[str, Any]] = {
    "psycopg": {"prepare_threshold": None},
    "asyncpg": {
        "statement_cache_size": 0,
        "prepared_statement_cache_size": 0,
        "prepared_statement_name_func": lambda: f"__asyncpg_{uuid4()}__",
    },
}

# Trusts everybody, and is postgres to the server: so are the servers of the tests.
CONFIGURATION = """\
[databases]
* = host=127.0.0.1 port={server} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
default_pool_size = {size}
max_client_conn = 500
{more}
"""


class Pooler:
    """One PgBouncer that runs now; get one from `pooler()`."""

    def __init__(self, port: int, pid: int) -> None:
        self.port = port
        self.pid = pid

    def url(self, database: str, driver: str = "psycopg") -> str:
        """The SQLAlchemy URL of a database by way of the pooler."""
        return f"postgresql+{driver}://postgres@127.0.0.1:{self.port}/{database}"


@contextmanager
def pooler(
    server: PostgresServer | int, mode: str = "transaction", size: int = 20, **settings: object
) -> Iterator[Pooler]:
    """Run PgBouncer before a server (or a port, such as a line's).

    Args:
        server: what it pools.
        mode: transaction, session, or statement.
        size: how many sessions it opens at most on the server, for each database.
        settings: further ones of PgBouncer, such as `server_login_retry=1`: by default it leaves a server that it
            could not log in to alone for 15 seconds.
    """
    folder = Path(tempfile.mkdtemp(prefix="driftbreaker-pooler-"))
    guard = start_guard(folder)
    try:
        port = free_port()
        if os.geteuid() == 0:
            settings["user"] = "nobody"  # it refuses to run as root, but begins so
        more = "\n".join(f"{name} = {value}" for name, value in settings.items())
        text = CONFIGURATION.format(server=port_of(server), port=port, mode=mode, size=size, more=more)
        with process(folder, port, text) as pid:
            yield Pooler(port, pid)
    finally:
        remove(folder)
        guard.kill()
        guard.wait()


@contextmanager
def process(folder: Path, port: int, text: str) -> Iterator[int]:
    """Run it with its files in a folder, from when it listens; yield its process's id."""
    configuration, log = folder / "pgbouncer.ini", folder / "log"
    configuration.write_text(text)
    with log.open("wb") as output:
        running = subprocess.Popen(
            [program(), str(configuration)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        leave_for_guard(folder, running.pid)
        eventually(lambda: running.poll() is not None or listens(port), "PgBouncer listens")
        assert running.poll() is None, f"PgBouncer ended at once:\n{log.read_text()}"
        yield running.pid
    finally:
        running.send_signal(signal.SIGKILL)
        running.wait(PATIENCE)


def program() -> str:
    """The program; not always on the PATH of who is not root."""
    found = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")
    assert found is not None, MISSING
    return found


def leave_for_guard(folder: Path, pid: int) -> None:
    """Say where the guard looks which process it has to end if we are killed."""
    (folder / "data").mkdir()
    (folder / "data" / "postmaster.pid").write_text(str(pid))


def port_of(server: PostgresServer | int) -> int:
    """The port of a server on this machine."""
    if isinstance(server, int):
        return server
    return int(server.url("postgres").rpartition(":")[2].partition("/")[0])


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
