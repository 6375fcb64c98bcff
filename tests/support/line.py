"""A line to a database that can be cut, silenced, refused, slowed down, and healed again.

with Line(server.port) as line:
    engine = create_engine(line.url(server.url(database)))
    ...
    line.silence()  # what waits for an answer now waits for ever
    line.heal()  # a new connection works; those of before stay dead
"""

from __future__ import annotations

import asyncio
import ctypes
import socket
import struct
import threading
from collections.abc import Coroutine, Iterable
from contextlib import suppress
from typing import Any, Self

from sqlalchemy import make_url

LOOPBACK = "127.0.0.1"
PATIENCE = 20.0

# Linux's own, that the socket module does not name: a packet filter on one socket.
_ATTACH_FILTER, _DETACH_FILTER = 26, 27
_DROP_ALL = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))  # one instruction: return 0 bytes
_FILTER = struct.pack("HL", 1, ctypes.addressof(_DROP_ALL))


class Line:
    """A TCP proxy to a port of this machine, in a thread of its own; a context manager.

    What a method does has happened when it returns: no byte passes a line that was silenced before.

    Attributes:
        port: where it listens, on 127.0.0.1; the same while it refuses and afterwards.
        accepted: how many connections it has accepted since it was made, silent ones included.
    """

    def __init__(self, upstream: int) -> None:
        self._upstream = upstream
        self._listener = bound()
        self.port: int = self._listener.getsockname()[1]
        self.accepted = 0
        self._delay = 0.0
        self._silent = False
        self._live: dict[asyncio.Task[None], tuple[socket.socket, socket.socket]] = {}
        self._dead: list[socket.socket] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()

    @property
    def connections(self) -> int:
        """How many connections are passed on now: neither closed nor silenced."""
        return len(self._live)

    def url(self, url: str) -> str:
        """The URL of a database behind this line, by way of it."""
        return make_url(url).set(host=LOOPBACK, port=self.port).render_as_string(hide_password=False)

    def cut(self, *, reset: bool = True) -> None:
        """Close all connections, silenced ones too: with RST, or FIN. New ones are accepted."""
        self._do(self._cut(reset))

    def silence(self) -> None:
        """Pass nothing on any more. Connections stay open; new ones are accepted, and get no answer.

        The kernel still acknowledges what is sent, so TCP keepalives and user timeouts notice nothing: see `vanish`.
        """
        self._do(self._silence())

    def vanish(self) -> None:
        """Be silent to the kernel too, as a host without power: nothing is acknowledged, and connecting hangs.

        Needs Linux, but no privilege.
        """
        self._do(self._vanish())

    def refuse(self) -> None:
        """Refuse new connections, as where nobody listens. Those that are open stay so."""
        self._do(self._refuse())

    def delay(self, seconds: float) -> None:
        """Hold every chunk for so long, in both directions, on open and new connections."""
        self._do(self._slow_down(seconds))

    def heal(self) -> None:
        """Pass everything on again, at once. Connections that were silenced stay dead until they are cut."""
        self._do(self._heal())

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)

    # In the thread.

    async def _listen(self) -> None:
        self._listener.listen(128)
        self._loop.add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        with suppress(BlockingIOError, ConnectionAbortedError):
            client, _ = self._listener.accept()
            client.setblocking(False)
            self.accepted += 1
            if self._silent:
                self._dead.append(client)
                return
            server = socket.socket()
            server.setblocking(False)
            self._live[self._loop.create_task(self._serve(client, server))] = (client, server)

    async def _serve(self, client: socket.socket, server: socket.socket) -> None:
        """Copy in both directions until one ends. Whoever cancels this has to care for the sockets."""
        ends = client, server
        for end in ends:
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(OSError):
            await self._loop.sock_connect(server, (LOOPBACK, self._upstream))
            await first_of(self._copy(client, server), self._copy(server, client))
        close(ends)
        del self._live[asyncio.current_task()]  # type: ignore[arg-type]

    async def _copy(self, source: socket.socket, sink: socket.socket) -> None:
        while data := await self._loop.sock_recv(source, 65536):
            if self._delay:
                await asyncio.sleep(self._delay)
            await self._loop.sock_sendall(sink, data)

    async def _sever(self) -> list[socket.socket]:
        """End all copying, and return the sockets, open as they are."""
        live, self._live = self._live, {}
        for task in live:
            task.cancel()
        await asyncio.gather(*live, return_exceptions=True)
        return [end for ends in live.values() for end in ends if end.fileno() >= 0]

    async def _cut(self, reset: bool) -> None:
        dead, self._dead = self._dead, []
        close(dead + await self._sever(), reset=reset)

    async def _silence(self) -> None:
        self._silent = True
        self._dead += await self._sever()

    async def _vanish(self) -> None:
        await self._silence()
        for end in (self._listener, *self._dead):
            end.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, _FILTER)

    async def _refuse(self) -> None:
        # Bound, but listening no more: else another program may get the port meanwhile.
        self._loop.remove_reader(self._listener)
        self._listener.close()
        self._listener = bound(self.port)

    async def _slow_down(self, seconds: float) -> None:
        self._delay = seconds

    async def _heal(self) -> None:
        self._delay = 0.0
        self._silent = False
        with suppress(OSError):  # most often there is no filter
            self._listener.setsockopt(socket.SOL_SOCKET, _DETACH_FILTER, 0)
        await self._listen()

    async def _close(self) -> None:
        await self._refuse()
        self._listener.close()
        await self._cut(reset=True)


def bound(port: int = 0) -> socket.socket:
    """A socket that has a port of 127.0.0.1 and does not listen: whoever connects there is refused."""
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind((LOOPBACK, port))
    holder.setblocking(False)
    return holder


def close(sockets: Iterable[socket.socket], *, reset: bool = False) -> None:
    """Close sockets, with RST or with FIN."""
    for end in sockets:
        if reset:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        end.close()


async def first_of(*works: Coroutine[Any, Any, None]) -> None:
    """Wait until the first ends, and cancel the others."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
