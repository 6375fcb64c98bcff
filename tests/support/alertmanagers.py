"""Real Alertmanagers on this machine's loopback, and the pager that they notify.

with Pager() as pager, AlertmanagerProcess(folder, pager) as alertmanager:
    ...
    assert [told.status for told in pager.notifications()] == ["firing"]
"""

from __future__ import annotations

import base64
import json
import shutil
import socket
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Self, TypeVar

from tests.support.receiver import Receiver

T = TypeVar("T")

# Debian's package renames it.
BINARY = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
AMTOOL = shutil.which("amtool")
MISSING = "no Alertmanager on this machine: apt-get install prometheus-alertmanager"

PATIENCE = 20.0
POLL = 0.02
GROUP_INTERVAL = 0.15
# Long enough for some flushes of a group: what was not notified by then will not be.
QUIET = 3 * GROUP_INTERVAL
RESOLVE_TIMEOUT = 1.0
# The second of a pair waits so long for the first to notify, then looks whether it has. What changes meanwhile it tells
# as it was, and again as it is: so this must be short beside the group's interval, as it is by default (15 s, 5 min).
PEER_TIMEOUT = 0.3
PAIRS_GROUP_INTERVAL = 2.0

# One group for each label set, flushed at once: what a person is told depends on what is sent, and on nothing else.
CONFIGURATION = """\
global:
  resolve_timeout: {resolve_timeout}s
route:
  receiver: pager
  group_by: ['...']
  group_wait: {group_wait}s
  group_interval: {group_interval}ms
  repeat_interval: 24h
receivers:
- name: pager
  webhook_configs:
  - url: {pager}/
    send_resolved: true
"""


@dataclass(frozen=True)
class Notification:
    """What one person was told of one alert, once."""

    status: str
    labels: dict[str, str]
    annotations: dict[str, str]
    starts_at: str
    ends_at: str
    fingerprint: str

    @property
    def breaker(self) -> str:
        return self.labels["circuit_breaker"]


class Pager(Receiver):
    """What Alertmanager notifies: in the place of a person."""

    def notifications(self) -> list[Notification]:
        """All that was told so far, in the order of its coming."""
        return [
            Notification(
                each["status"],
                each["labels"],
                each["annotations"],
                each["startsAt"],
                each["endsAt"],
                each["fingerprint"],
            )
            for request in tuple(self.requests)
            for each in request.json["alerts"]
        ]

    def states(self) -> list[str]:
        return [told.status for told in self.notifications()]

    def wait(self, *states: str) -> list[Notification]:
        """Wait until exactly these were told, and that nothing else follows."""
        eventually(lambda: len(self.states()) >= len(states), f"told {states}")
        always(lambda: self.states() == list(states), f"told {states} and no more, but it was {self.states()}")
        return self.notifications()


class AlertmanagerProcess:
    """One Alertmanager in a process of its own; a context manager. It can be stopped, killed and started again."""

    def __init__(
        self,
        folder: Path,
        pager: Receiver,
        *,
        prefix: str = "",
        group_wait: float = 0.0,
        group_interval: float = GROUP_INTERVAL,
        gossip: tuple[int, Sequence[int]] | None = None,
        web: str | None = None,
        login: tuple[str, str] | None = None,
        ca_file: Path | None = None,
    ) -> None:
        assert BINARY is not None, MISSING
        self._folder = folder
        folder.mkdir(parents=True)
        self.port = free_port()
        self._origin = f"{'http' if ca_file is None else 'https'}://127.0.0.1:{self.port}"
        self.url = self._origin + prefix
        self._login = login
        self._tls = None if ca_file is None else ssl.create_default_context(cafile=ca_file)
        self._log = folder / "log"
        self._process: subprocess.Popen[bytes] | None = None
        configuration = folder / "alertmanager.yml"
        configuration.write_text(
            CONFIGURATION.format(
                resolve_timeout=int(RESOLVE_TIMEOUT),
                group_wait=int(group_wait),
                group_interval=int(group_interval * 1000),
                pager=pager.url,
            )
        )
        self._command = [
            BINARY,
            f"--config.file={configuration}",
            f"--storage.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            *([f"--web.route-prefix={prefix}"] if prefix else []),
            *_gossiping(gossip),
        ]
        if web is not None:
            (folder / "web.yml").write_text(web)
            self._command.append(f"--web.config.file={folder / 'web.yml'}")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start it and wait until it is ready. Tried again while somebody sits on its port for a moment."""
        deadline = monotonic() + PATIENCE
        while True:
            with self._log.open("ab") as log:
                self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            while self._process.poll() is None:
                if self.ready():
                    return
                assert monotonic() < deadline, f"Alertmanager is not ready: {self._log.read_text()}"
                sleep(POLL)
            assert "address already in use" in self._log.read_text(), self._log.read_text()
            assert monotonic() < deadline, f"somebody sits on port {self.port}"
            sleep(POLL)

    def stop(self) -> None:
        """End it as a restart of its service does: what it notified is on disk, its alerts are gone."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait(PATIENCE)

    def kill(self) -> None:
        """Signal 9: nothing but what lay on disk already is left."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE)

    def restart(self, *, kill: bool = False) -> None:
        if kill:
            self.kill()
        else:
            self.stop()
        self.start()

    def ready(self) -> bool:
        try:
            self._get("/-/ready")
        except OSError:  # an HTTP error is one
            return False
        return True

    def alerts(self, breaker: str | None = None) -> list[dict[str, Any]]:
        """The alerts that it holds to be firing."""
        found = json.loads(self._get("/api/v2/alerts"))
        return [each for each in found if breaker in (None, each["labels"].get("circuit_breaker"))]

    def fires(self, breaker: str | None = None) -> bool:
        return bool(self.alerts(breaker))

    def peers(self) -> int:
        """How many Alertmanagers its set has, itself included, once they know of each other; 0 until then."""
        cluster = json.loads(self._get("/api/v2/status"))["cluster"]
        return len(cluster["peers"]) if cluster["status"] == "ready" else 0

    def received(self, state: str) -> int:
        """How many alerts were posted to it in a state, since it was started."""
        wanted = f'alertmanager_alerts_received_total{{status="{state}",version="v2"}}'
        (line,) = [line for line in self._get("/metrics").splitlines() if line.startswith(wanted)]
        return int(float(line.rpartition(" ")[2]))

    def _get(self, path: str) -> str:
        request = urllib.request.Request(self.url + path)  # noqa: S310  it is our own
        if self._login is not None:
            token = base64.b64encode(":".join(self._login).encode()).decode()
            request.add_header("Authorization", f"Basic {token}")
        handlers: list[Any] = [urllib.request.ProxyHandler({})]
        if self._tls is not None:
            handlers.append(urllib.request.HTTPSHandler(context=self._tls))
        with urllib.request.build_opener(*handlers).open(request, timeout=5) as response:
            return str(response.read().decode())


@contextmanager
def pair(folder: Path, pager: Receiver) -> Iterator[tuple[AlertmanagerProcess, AlertmanagerProcess]]:
    """Two Alertmanagers of one highly available set."""
    ports = free_port(), free_port()
    with ExitStack() as stack:
        first, second = (
            stack.enter_context(
                AlertmanagerProcess(
                    folder / str(port), pager, group_interval=PAIRS_GROUP_INTERVAL, gossip=(port, ports)
                )
            )
            for port in ports
        )
        eventually(lambda: first.peers() == second.peers() == 2, "two peers know of each other")
        yield first, second


def _gossiping(gossip: tuple[int, Sequence[int]] | None) -> list[str]:
    if gossip is None:
        return ["--cluster.listen-address="]
    own, everyone = gossip
    return [
        f"--cluster.listen-address=127.0.0.1:{own}",
        *(f"--cluster.peer=127.0.0.1:{port}" for port in everyone if port != own),
        "--cluster.gossip-interval=20ms",
        "--cluster.pushpull-interval=500ms",
        "--cluster.reconnect-interval=200ms",
        "--cluster.settle-timeout=1s",
        f"--cluster.peer-timeout={int(PEER_TIMEOUT * 1000)}ms",
    ]


def free_port() -> int:
    """Return a port that is free for TCP and for UDP."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port: int = listener.getsockname()[1]
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
                try:
                    datagrams.bind(("127.0.0.1", port))
                except OSError:
                    continue
                return port


def eventually(condition: Callable[[], T], what: str, patience: float = PATIENCE) -> T:
    """Wait until a condition holds; return what it answered."""
    deadline = monotonic() + patience
    while not (answer := condition()):
        assert monotonic() < deadline, f"it never came to this: {what}"
        sleep(POLL)
    return answer


def always(condition: Callable[[], bool], what: str, seconds: float = QUIET) -> None:
    """See a condition hold for some time."""
    deadline = monotonic() + seconds
    while monotonic() < deadline:
        assert condition(), f"it did not stay so: {what}"
        sleep(POLL)
