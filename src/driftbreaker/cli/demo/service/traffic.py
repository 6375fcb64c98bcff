"""Sends the traffic over HTTP, to both routes: one client for each worker, all on one stream of requests."""

from __future__ import annotations

import threading
import time
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import httpx2

from driftbreaker.cli.demo.database import DemoError
from driftbreaker.cli.demo.service.replies import Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from driftbreaker.cli.demo.request import Request
    from driftbreaker.cli.demo.service.workers import Worker

#: Seconds between an answer of a worker and the next request to it.
PACE = 0.01
PATIENCE = 20.0


@dataclass(frozen=True, slots=True)
class Turn:
    """One request to send. `place` counts the stream, `number` every request that is sent."""

    number: int
    place: int
    request: Request
    again: bool


@dataclass(frozen=True, slots=True)
class Served:
    """One request, who answered, and what."""

    turn: Turn
    worker: Worker
    reply: Reply


class Traffic:
    """Deals a stream of requests to workers, and asks each of them again until it has heard of every trip."""

    def __init__(self, requests: Iterable[Request], workers: list[Worker], on_request: Callable[[], None]) -> None:
        self._stream = iter(requests)
        self._workers = workers
        self._on_request = on_request
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._number = self._place = 0
        self._under_way = 0
        self._tripped: dict[str, tuple[Request, float]] = {}
        self.served: list[Served] = []
        self.shadowed: list[Reply] = []

    def send(self) -> None:
        """Send everything. Raises DemoError when a worker does not answer, or does not hear of a trip."""
        with ThreadPoolExecutor(len(self._workers)) as clients:
            futures = [clients.submit(self._send_to, worker) for worker in self._workers]
            try:
                wait(futures, return_when=FIRST_EXCEPTION)
            finally:
                self._ended.set()
        for future in futures:
            future.result()

    def _send_to(self, worker: Worker) -> None:
        heard: set[str] = set()
        with httpx2.Client(base_url=worker.url, trust_env=False, timeout=PATIENCE) as client:
            while not self._ended.is_set():
                turn = self._next(worker, heard)
                if turn is None:
                    if self._under_way == 0:
                        return
                    self._ended.wait(PACE)
                    continue
                reply = _ask(client, worker, turn, "/quote")
                if not turn.again:
                    self.shadowed.append(_ask(client, worker, turn, "/shadow-quote"))
                if reply.served_by == "control":
                    heard.add(turn.request.model)
                self._took(Served(turn, worker, reply))
                self._ended.wait(PACE)

    def _next(self, worker: Worker, heard: set[str]) -> Turn | None:
        with self._lock:
            for model, (request, until) in self._tripped.items():
                if model not in heard:
                    if time.monotonic() > until:
                        raise DemoError(f"worker {worker.number} did not hear of a trip within {PATIENCE:g} s")
                    return self._turn(request, again=True)
            request_of_stream = next(self._stream, None)
            if request_of_stream is None:
                return None
            self._place += 1
            self._under_way += 1
            return self._turn(request_of_stream, again=False)

    def _turn(self, request: Request, *, again: bool) -> Turn:
        self._number += 1
        return Turn(self._number, self._place, request, again)

    def _took(self, served: Served) -> None:
        turn = served.turn
        with self._lock:
            self.served.append(served)
            if served.reply.tripped is not None:
                self._tripped[turn.request.model] = turn.request, time.monotonic() + PATIENCE
            if not turn.again:
                # Only now: as long as one of these is under way, something may trip that all must hear of.
                self._under_way -= 1
                self._on_request()


def _ask(client: httpx2.Client, worker: Worker, turn: Turn, route: str) -> Reply:
    asked = asdict(turn.request) | {"at": turn.request.at.isoformat(), "number": turn.number}
    try:
        answer = client.get(route, params=asked)
        answer.raise_for_status()
        return Reply.of(answer.json())
    except httpx2.HTTPError as error:
        said = str(error).partition("\n")[0] or type(error).__name__
        raise DemoError(f"worker {worker.number} did not answer: {said}") from None
