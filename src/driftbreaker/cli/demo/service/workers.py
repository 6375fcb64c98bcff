"""Starts the worker processes, and leaves none behind."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from driftbreaker.cli.demo.database import DemoError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import URL

START_WITHIN = 60.0
END_WITHIN = 10.0


@dataclass(frozen=True, slots=True)
class Worker:
    """One process, and the port that the operating system gave it."""

    number: int
    pid: int
    port: int

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def started(count: int, url: URL, name: str) -> Iterator[list[Worker]]:
    """Yield `count` workers that answer; end them, whatever happens. Raises DemoError when one does not start."""
    with ExitStack() as stack:
        told = json.dumps({"url": url.render_as_string(hide_password=False), "name": name})
        processes = [stack.enter_context(_process(told)) for _ in range(count)]
        yield [Worker(number, each.pid, each.port()) for number, each in enumerate(processes, start=1)]


class _Process:
    def __init__(self, told: str, log: IO[str]) -> None:
        self._log = log
        # A session of its own: Ctrl-C is the parent's, who then ends its workers in order.
        self._popen = subprocess.Popen(
            [sys.executable, "-m", "driftbreaker.cli.demo.service.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
        self.pid = self._popen.pid
        self._pipe = _there(self._popen.stdin)
        with suppress(BrokenPipeError):  # it ended already: `port` says why
            self._pipe.write(f"{told}\n")
            self._pipe.flush()

    def port(self) -> int:
        """Wait for the port."""
        alarm = threading.Timer(START_WITHIN, self._popen.kill)
        alarm.start()
        try:
            line = _there(self._popen.stdout).readline()
        finally:
            alarm.cancel()
        if not line:
            self._popen.wait()
            self._log.seek(0)
            said = self._log.read().strip().splitlines() or ["it said nothing"]
            raise DemoError(f"a worker did not start: {said[-1]}")
        port: int = json.loads(line)["port"]
        return port

    def end(self) -> None:
        """Close its stdin, and wait for its end, which comes in order or by force."""
        with suppress(BrokenPipeError):
            self._pipe.close()
        try:
            self._popen.wait(END_WITHIN)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
        _there(self._popen.stdout).close()


@contextmanager
def _process(told: str) -> Iterator[_Process]:
    with tempfile.TemporaryFile("w+") as log:
        process = _Process(told, log)
        try:
            yield process
        finally:
            process.end()


def _there(pipe: Any) -> Any:
    if pipe is None:
        raise DemoError("a worker has no pipes")
    return pipe
