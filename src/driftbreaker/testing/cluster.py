"""One PostgreSQL we start ourselves: its files, its processes, its port."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from driftbreaker.testing.binaries import OURSELVES, Binaries, reachable
from driftbreaker.testing.errors import PostgresFailed, PostgresNotFound
from driftbreaker.testing.guard import STOP_SECONDS, remove, start_guard

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "max_prepared_transactions": "20",
    "shared_buffers": "32MB",
    "max_wal_size": "128MB",
    "logging_collector": "off",
    "autovacuum": "on",
}

_ANSWER_SECONDS = 60.0
_PORT_TRIES = 5
_LOG_LINES = 20
_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own, made by mkdtemp, goes inside
_MEMORY_NEEDED_BYTES = 2 * 1024**3
_SOCKET_PATH_LIMIT = 80  # the kernel allows 107 bytes (103 on macOS), `/.s.PGSQL.65535.lock` included
# Nobody reads a throwaway database after a power cut, and waiting for the disk is most of a test's time.
_FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class Cluster:
    """The files and processes of one server we started."""

    def __init__(self, binaries: Binaries, *, durable: bool, settings: Mapping[str, str] | None = None) -> None:
        self.version = binaries.version
        self.url = ""
        self._settings = SETTINGS | ({} if durable else _FORGETFUL) | dict(settings or {})
        self._account = _account()
        self.folder = _new_folder(self._account, durable=durable)
        self._server: subprocess.Popen[bytes] | None = None
        self._watcher = start_guard(self.folder)
        try:
            self._bin = reachable(binaries.folder, self.folder, self._account)
            self._initialise()
            self.url = self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the server at once (nobody needs its last checkpoint) and remove the folder."""
        self.end()
        remove(self.folder)
        # Last: until here the guard would finish the work if we were killed on the way.
        _end(self._watcher, signal.SIGKILL)

    def end(self) -> None:
        """End the server at once and keep its folder, for `start_on()` to recover as after a crash."""
        if self._server is not None:
            _end(self._server, signal.SIGQUIT)
            self._server = None

    def start_on(self, port: int) -> str | None:
        """Start on a port and return the URL, or None if the server ended, as when somebody else has the port."""
        url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        self._server = self._launch(port)
        return url if self._answers(self._server, url) else None

    def log(self) -> str:
        """Return the last lines that the server wrote."""
        return _tail((self.folder / "server.log").read_bytes())

    def _initialise(self) -> None:
        arguments = ["--username=postgres", "--auth=trust", "--no-locale", "--encoding=UTF8", "--no-sync"]
        command = [str(self._bin / "initdb"), *arguments, "-D", str(self.folder / "data")]
        done = subprocess.run(  # noqa: S603 - our own arguments
            command, **self._surroundings(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        if done.returncode != 0:
            raise PostgresFailed(f"{command[0]} ended with {done.returncode}:\n{_tail(done.stdout)}")

    def _start(self) -> str:
        """Start on a free port and return the URL. Another program may take it first: then try the next one."""
        for _ in range(_PORT_TRIES):
            if url := self.start_on(free_port()):
                return url
            if "could not create any TCP/IP sockets" not in self.log():
                break
        raise PostgresFailed(f"PostgreSQL {self.version} from {self._bin} ended while starting:\n{self.log()}")

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

    def _answers(self, server: subprocess.Popen[bytes], url: str) -> bool:
        """Wait until the server answers (True) or ends (False)."""
        import psycopg

        lock = self.folder / "data" / "postmaster.pid"
        deadline = time.monotonic() + _ANSWER_SECONDS
        while time.monotonic() < deadline:
            if server.poll() is not None:
                return False
            # Our server says it is ready before we connect: on the port itself a stranger might answer.
            with contextlib.suppress(FileNotFoundError):
                if lock.read_text().rstrip().endswith("\nready"):
                    psycopg.connect(url, connect_timeout=10).close()
                    return True
            time.sleep(0.005)
        raise PostgresFailed(f"PostgreSQL was not ready in {_ANSWER_SECONDS:.0f} s:\n{self.log()}")

    def _surroundings(self) -> dict[str, Any]:
        """Return what every PostgreSQL program is started with: account, folder, environment."""
        # PGDATA, PGOPTIONS and their like steer somebody else's server. C keeps messages in the English that
        # `_start` looks for; UTC spares initdb the search for the local time zone's name.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        environment |= {"LC_ALL": "C", "TZ": "UTC"}
        return {"cwd": self.folder, "env": environment, "stdin": subprocess.DEVNULL, **self._account}


def free_port() -> int:
    """Return a port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def parent_folder(account: Mapping[str, Any], *, durable: bool) -> Path:
    """Return where to put a folder that the account can enter: a roomy memory disk, or the usual place."""
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


def _new_folder(account: Mapping[str, Any], *, durable: bool) -> Path:
    parent = parent_folder(account, durable=durable)
    folder = Path(tempfile.mkdtemp(prefix="driftbreaker-pg-", dir=parent)).resolve()
    if account:
        os.chown(folder, account["user"], account["group"])
    return folder


def _account() -> Mapping[str, Any]:
    """Return the account to run as, in `subprocess` arguments: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return OURSELVES
    import pwd

    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _is_roomy_memory(folder: Path) -> bool:
    """Tell a memory disk that can hold a server; the 64 MiB, noexec one of a plain container cannot."""
    if not (folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)):
        return False
    facts = os.statvfs(folder)
    noexec = getattr(os, "ST_NOEXEC", 0)
    return facts.f_bavail * facts.f_frsize >= _MEMORY_NEEDED_BYTES and not facts.f_flag & noexec


def _tail(log: bytes) -> str:
    return "\n".join(log.decode(errors="replace").splitlines()[-_LOG_LINES:])


def _end(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    process.send_signal(how)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
