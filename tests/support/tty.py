"""The command line on a terminal: a pseudo-terminal of any size, with keys to press and a screen to look at."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable

from .screen import Screen
from .terminal import COMMAND

PATIENCE = 30


class Tty:
    """A command on a terminal of its own.

    with Tty("watch", "--db", url, columns=40) as tty:
        tty.until(lambda: "V2 OFF" in tty.said)
        tty.press("\\x03")
        assert tty.wait() == 130
    """

    def __init__(self, *arguments: str, columns: int = 80, lines: int = 24, **environment: str) -> None:
        self._master, slave = pty.openpty()
        self.resize(columns, lines)
        self._columns = columns
        self.said = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self.process = subprocess.Popen(
            [*COMMAND, *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**os.environ, "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8", **environment},
            preexec_fn=lambda: _lead(slave),
        )
        os.close(slave)

    def __enter__(self) -> Tty:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._master)

    @property
    def screen(self) -> Screen:
        return Screen(self._columns).feed(self.said)

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def press(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def until(self, seen: Callable[[], bool]) -> None:
        """Read until it is so; fail when that takes too long."""
        deadline = time.monotonic() + PATIENCE
        while not seen():
            assert time.monotonic() < deadline, f"it never came to that:\n{self.said}"
            assert self._read(0.1), f"it ended before that:\n{self.said}"

    def wait(self) -> int:
        """Read until it ends, and return its status."""
        deadline = time.monotonic() + PATIENCE
        while self._read(0.1):
            assert time.monotonic() < deadline, f"it did not end:\n{self.said}"
        return self.process.wait(PATIENCE)

    def _read(self, seconds: float) -> bool:
        if not select.select([self._master], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self._master, 65_536)
        except OSError:  # nobody has the other end any more
            return False
        self.said += self._decoder.decode(data)
        return bool(data)


def _lead(slave: int) -> None:
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
