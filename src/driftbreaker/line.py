"""The socket of a database connection, shut down from beside when an answer does not come."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import suppress
from typing import Any


class Line:
    """What one thread waits on, and another may `interrupt`."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._socket: tuple[int, int] | None = None

    def hold(self, driver_connection: Any) -> None:
        """From here on the thread waits on this connection, where its driver says which socket it has."""
        with self._guard:
            self._socket = _socket_of(driver_connection)

    def let_go(self) -> None:
        """The thread waits on nothing any more."""
        with self._guard:
            self._socket = None

    def interrupt(self) -> None:
        """Let what is under way fail: shut the socket down on which it waits.

        A network that lost our packets would otherwise keep it waiting for the kernel's patience, which is hours.
        """
        with self._guard:
            if self._socket is not None and _identity(self._socket[0]) == self._socket[1]:
                _shut_down(self._socket[0])


def cut_off(driver_connection: Any) -> None:
    """Let whatever waits on a driver's connection fail, where the driver says which socket it has."""
    found = _socket_of(driver_connection)
    if found is not None:
        _shut_down(found[0])


def _socket_of(driver_connection: Any) -> tuple[int, int] | None:
    """Return the connection's file descriptor and what it stands for; None where the driver has none."""
    try:
        descriptor = int(driver_connection.fileno())
    except Exception:  # noqa: BLE001  no socket (SQLite), or none any more
        return None
    return descriptor, _identity(descriptor)


def _shut_down(descriptor: int) -> None:
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as line:
        line.shutdown(socket.SHUT_RDWR)


def _identity(descriptor: int) -> int:
    """Return what a descriptor stands for: its number may be another socket's by now."""
    try:
        return os.fstat(descriptor).st_ino
    except OSError:
        return -1
