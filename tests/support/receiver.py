"""A receiver of alerts on a real socket of this machine, that answers as a script says: well, badly, or never.

with Receiver() as receiver:
    receiver.script(Answer(503), black_hole(), then=Answer(200))
    ...
    assert receiver.alerts[0]["labels"]["alertname"] == "CandidateDisabled"
"""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Any, Self

PATIENCE = 20.0  # seconds after which a forgotten connection ends all the same


@dataclass(frozen=True)
class Received:
    """One request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]  # names in lower case
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    """One ordinary answer."""

    status: int = 200
    body: bytes | str = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, line: Line, request: Received) -> None:
        content = self.body.encode() if isinstance(self.body, str) else self.body
        headers = {"Content-Type": "application/json", "Content-Length": str(len(content)), **self.headers}
        head = f"HTTP/1.1 {self.status} Scripted\r\n" + "".join(f"{name}: {each}\r\n" for name, each in headers.items())
        line.write(head.encode() + b"\r\n" + content)


class Line:
    """The connection that a behaviour answers on."""

    def __init__(self, connection: socket.socket, over: threading.Event) -> None:
        self._connection = connection
        self._over = over

    def write(self, data: bytes) -> None:
        self._connection.sendall(data)

    def read(self) -> bytes:
        """Return what comes next, empty when the other side is gone."""
        with suppress(OSError):
            return self._connection.recv(65536)
        return b""

    def wait(self, seconds: float) -> bool:
        """Wait; return whether the receiver was closed meanwhile."""
        return self._over.wait(seconds)

    def hang_up(self) -> None:
        raise _HangUpError


class _HangUpError(Exception):
    """Ends a connection."""


Behaviour = Callable[[Line, Received], None]


def black_hole() -> Behaviour:
    """Take the request and never answer."""

    def answer(line: Line, _: Received) -> None:
        line.wait(PATIENCE)
        line.hang_up()

    return answer


def garbage(data: bytes = b"\x00\xff not HTTP at all \r\n\r\n") -> Behaviour:
    """Answer with what is no HTTP."""

    def answer(line: Line, _: Received) -> None:
        line.write(data)
        line.hang_up()

    return answer


def cut(after: bytes = b"HTTP/1.1 200 OK\r\nContent-Le") -> Behaviour:
    """Close the connection amid the answer."""
    return garbage(after)


def trickle(data: bytes = b"HTTP/1.1 200 OK\r\n", every: float = 0.02) -> Behaviour:
    """Send `data` a byte at a time, then more for ever: no single read ever takes long."""

    def answer(line: Line, _: Received) -> None:
        for place in range(int(PATIENCE / every)):
            line.write(data[place : place + 1] or b"x")
            if line.wait(every):
                break
        line.hang_up()

    return answer


def redirect(to: str, status: int = 307) -> Answer:
    """Send elsewhere."""
    return Answer(status, b"", {"Location": to})


class Receiver:
    """Listens on 127.0.0.1, a thread per connection; a context manager."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Received] = []
        self.connections = 0
        self._tls = tls
        self._script: list[Behaviour] = []
        self._then: Behaviour = Answer()
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        return f"{'http' if self._tls is None else 'https'}://127.0.0.1:{self.port}"

    @property
    def alerts(self) -> list[dict[str, Any]]:
        """Every alert that was posted to Alertmanager's API, in the order of their coming."""
        return [alert for request in self.requests if request.path.endswith("/alerts") for alert in request.json]

    def script(self, *behaviours: Behaviour, then: Behaviour | None = None) -> None:
        """Answer the next requests so, one each, and all after them as `then` says (200 unless told)."""
        with self._lock:
            self._script = list(behaviours)
            self._then = then or Answer()

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        # A thread that waits in accept() does not notice that its listener is closed.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in tuple(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while not self._over.is_set():
                connection, _ = self._listener.accept()
                self.connections += 1
                self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with closing(connection), suppress(OSError, _HangUpError, ValueError):
            connection.settimeout(PATIENCE)
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            self._open.add(connection)
            with closing(connection), connection.makefile("rb") as stream:
                try:
                    while (request := read_request(stream)) is not None:
                        self._behaviour(request)(Line(connection, self._over), request)
                finally:
                    self._open.discard(connection)

    def _behaviour(self, request: Received) -> Behaviour:
        with self._lock:
            self.requests.append(request)
            return self._script.pop(0) if self._script else self._then


def read_request(stream: Any) -> Received | None:
    """Read one request, or None when the other side has closed."""
    first = stream.readline().decode("latin-1").split()
    if len(first) != 3:
        return None
    headers = {}
    while line := stream.readline().strip():
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    body = stream.read(int(headers.get("content-length", "0")))
    return Received(first[0], first[1], headers, body)


def closed_port() -> str:
    """Return a URL where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"
