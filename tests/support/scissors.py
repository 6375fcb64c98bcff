"""A line that is cut at a given byte."""

from __future__ import annotations

import socket

from .line import Line


class Scissors(Line):
    """Passes everything on, until so many bytes more have gone in one direction; then that connection is cut.

    Attributes:
        passed: how many bytes have gone to the server, and how many have come from it.
    """

    def __init__(self, upstream: int) -> None:
        super().__init__(upstream)
        self.passed = [0, 0]
        self._cuts_at: tuple[bool, int] | None = None

    def cut_after(self, count: int, *, answers: bool) -> None:
        """Cut once so many bytes more have come from the server, or gone to it. None of those behind them passes."""
        self._cuts_at = answers, self.passed[answers] + count

    def leave_alone(self) -> None:
        """Take that back."""
        self._cuts_at = None

    async def _copy(self, source: socket.socket, sink: socket.socket) -> None:
        answers = any(source is server for _, server in self._live.values())
        while data := await self._loop.sock_recv(source, 65536):
            left = None
            if self._cuts_at is not None and self._cuts_at[0] == answers:
                left = self._cuts_at[1] - self.passed[answers]
                data = data[:left]
            self.passed[answers] += len(data)
            await self._loop.sock_sendall(sink, data)
            if left is not None and len(data) == left:
                self._cuts_at = None
                raise ConnectionAbortedError("cut")
