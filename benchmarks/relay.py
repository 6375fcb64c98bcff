"""What alerting costs the caller, how fast the relay is, and how long a page takes from the commit."""

from __future__ import annotations

import itertools
import json
import multiprocessing
import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from typing import Any

from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

from driftbreaker import Alertmanager, BreakerSettings, CircuitBreaker, Relay

from .rounds import Result

TRIP_AT_ONCE = BreakerSettings(failure_threshold=1)
_FORK = multiprocessing.get_context("fork")


class _Receiver:
    """Takes everything, and notes when each breaker's first firing alert came."""

    def __init__(self) -> None:
        self.seen: dict[str, float] = {}
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                now = time.perf_counter()
                for alert in json.loads(body):
                    receiver.seen.setdefault(alert["labels"]["circuit_breaker"], now)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def _black_hole() -> Iterator[str]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def callers(url: str, *, rounds: int = 12, trips: int = 60) -> list[Result]:
    """A caller's trip, begin to commit: without alerting, and with a relay whose receiver never answers."""
    with _black_hole() as hole:
        workers = [_Worker(_trip, url, None), _Worker(_trip, url, hole)]
        times: list[list[float]] = [[], []]
        for number in range(rounds):
            for which in (0, 1) if number % 2 else (1, 0):
                times[which].append(workers[which].ask(trips))
        for worker in workers:
            worker.stop()
    names = ("a trip, no relay", "a trip, receiver black-holed")
    return [_beside(name, mine, times[0], limit) for name, mine, limit in zip(names, times, (None, 1.5), strict=True)]


def _trip(url: str, receiver: str | None, pipe: Connection) -> None:
    engine = create_engine(url)
    if receiver is not None:
        Relay(engine, [Alertmanager(receiver)]).start()
    names = (f"{'plain' if receiver is None else 'holed'}-{number}" for number in itertools.count())
    while (count := pipe.recv()) is not None:
        taken = [_timed(lambda: _open(engine, next(names))) for _ in range(count)]
        pipe.send(statistics.median(taken) * 1e6)


def _open(engine: Any, name: str) -> float:
    with Session(engine) as session, session.begin():
        CircuitBreaker(session, name, settings=TRIP_AT_ONCE).report_drift(0.9)
    return time.perf_counter()


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def throughput(url: str, alerts: int = 3_000) -> dict[int, float]:
    """Alerts a second to a receiver on this machine, by 1, 2 and 4 relay processes."""
    engine = create_engine(url)
    receiver = _Receiver()
    rates = {}
    with Session(engine) as session, session.begin():
        for number in range(alerts):
            CircuitBreaker(session, f"bulk-{number}").disable("bench", actor="bench")
    for relays in (1, 2, 4):
        with engine.begin() as connection:
            connection.execute(text("DELETE FROM driftbreaker_deliveries"))
        workers = [_Worker(_drain, url, receiver.url) for _ in range(relays)]
        started = time.perf_counter()
        for worker in workers:
            worker.tell(1)
        for worker in workers:
            worker.answer()
        rates[relays] = alerts / (time.perf_counter() - started)
        for worker in workers:
            worker.stop()
    with Session(engine) as session, session.begin():
        for number in range(alerts):
            CircuitBreaker(session, f"bulk-{number}").enable("bench", actor="bench")
        session.execute(text("DELETE FROM driftbreaker_outbox"))
    receiver.close()
    engine.dispose()
    return rates


def _drain(url: str, receiver: str | None, pipe: Connection) -> None:
    assert receiver is not None
    relay = Relay(create_engine(url), [Alertmanager(receiver)])
    while pipe.recv() is not None:
        relay.run_once()
        pipe.send(0)


def delays(url: str, poll: float, trips: int = 150) -> dict[str, list[float]]:
    """Milliseconds from commit to delivery: a relay in the committing process, and one that polls in another."""
    receiver = _Receiver()
    engine = create_engine(url)
    found = {}
    with Relay(engine, [Alertmanager(receiver.url)], poll=3600.0):
        found["in the committing process"] = _delays(engine, receiver, "hook", trips)
    worker = _Worker(_relay, url, receiver.url)
    worker.ask(poll)
    found[f"a process of its own, poll {poll:g} s"] = _delays(engine, receiver, "poll", trips)
    worker.stop()
    receiver.close()
    engine.dispose()
    return found


def _delays(engine: Any, receiver: _Receiver, prefix: str, trips: int) -> list[float]:
    committed = {}
    for number in range(trips):
        name = f"{prefix}-{number}"
        committed[name] = _open(engine, name)
        time.sleep(0.02)
    deadline = time.monotonic() + 30
    while not committed.keys() <= receiver.seen.keys() and time.monotonic() < deadline:
        time.sleep(0.01)
    return [(receiver.seen[name] - at) * 1000 for name, at in committed.items()]


def _relay(url: str, receiver: str | None, pipe: Connection) -> None:
    assert receiver is not None
    with Relay(create_engine(url), [Alertmanager(receiver)], poll=pipe.recv()):
        pipe.send(0)
        pipe.recv()


class _Worker:
    """A forked process that does what it is told over a pipe, until it is told nothing."""

    def __init__(self, serve: Callable[[str, str | None, Connection], None], url: str, receiver: str | None) -> None:
        self._pipe, theirs = _FORK.Pipe()
        self._process = _FORK.Process(target=serve, args=(url, receiver, theirs), daemon=True)
        self._process.start()

    def tell(self, what: float) -> None:
        self._pipe.send(what)

    def answer(self) -> float:
        return float(self._pipe.recv())

    def ask(self, what: float) -> float:
        self.tell(what)
        return self.answer()

    def stop(self) -> None:
        self._pipe.send(None)
        self._process.join(3)
        self._process.kill()


def _beside(name: str, mine: list[float], base: list[float], limit: float | None) -> Result:
    ratios = [one / other for one, other in zip(mine, base, strict=True)]
    low, _, high = statistics.quantiles(ratios, n=4)
    return Result(name, statistics.median(mine), statistics.median(ratios), low, high, limit)
