"""A small HTTP proxy on a real socket: forwards plain requests, tunnels the others, and remembers what it was asked."""

from __future__ import annotations

import socket
import threading
from contextlib import closing, suppress
from urllib.parse import urlsplit

from .receiver import Line, Received, Receiver


class Proxy(Receiver):
    """Knows one receiver only, whatever name it is asked for."""

    def __init__(self, upstream: Receiver) -> None:
        super().__init__()
        self._upstream = upstream
        self.script(then=self._pass_on)

    def _pass_on(self, line: Line, request: Received) -> None:
        with closing(socket.create_connection(("127.0.0.1", self._upstream.port))) as upstream:
            if request.method == "CONNECT":
                line.write(b"HTTP/1.1 200 Connected\r\n\r\n")
                back = threading.Thread(target=self._copy, args=(upstream, line), daemon=True)
                back.start()
                while data := line.read():
                    upstream.sendall(data)
                upstream.shutdown(socket.SHUT_RDWR)
                back.join()
            else:
                path = urlsplit(request.path).path
                headers = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
                head = f"{request.method} {path} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n"
                upstream.sendall(head.encode() + request.body)
                line.write(upstream.recv(65536))
        line.hang_up()

    def _copy(self, upstream: socket.socket, line: Line) -> None:
        with suppress(OSError):
            while data := upstream.recv(65536):
                line.write(data)
