"""The process that cleans up after a killed one.

This file is its program too, run by path and isolated: it may import nothing outside the standard library.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

STOP_SECONDS = 10.0

_POLL_SECONDS = 0.2


def start_guard(folder: Path) -> subprocess.Popen[bytes]:
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


def remove(folder: Path) -> None:
    """Remove the folder, again and again while a dying program still writes into it."""
    deadline = time.monotonic() + STOP_SECONDS
    while folder.exists() and time.monotonic() < deadline:
        shutil.rmtree(folder, ignore_errors=True)
        if folder.exists():
            time.sleep(0.05)


def _guard(parent: int, folder: Path) -> None:
    """Wait until `parent` is dead, then end the server in `folder` and remove the folder.

    Watching the parent's id, not a pipe: a forked child of the parent would hold the pipe open. The id in
    postmaster.pid is safe to signal: the server is the parent's child, so a dead one keeps its id until the
    parent collects it, and the parent does that only to end it, and a server that has ended removed the file.
    """
    while os.getppid() == parent:
        time.sleep(_POLL_SECONDS)
    lock = folder / "data" / "postmaster.pid"
    with contextlib.suppress(OSError, ValueError, IndexError):
        # initdb's single-user server writes its id with a minus sign.
        os.kill(abs(int(lock.read_text().split()[0])), signal.SIGQUIT)
        deadline = time.monotonic() + STOP_SECONDS
        while lock.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
    remove(folder)


if __name__ == "__main__":
    _guard(int(sys.argv[1]), Path(sys.argv[2]))
