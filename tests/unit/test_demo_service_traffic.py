"""What the demo's clients make of workers that do not answer as they should."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from driftbreaker.cli.demo import stream
from driftbreaker.cli.demo.database import DemoError
from driftbreaker.cli.demo.service import traffic
from driftbreaker.cli.demo.service.traffic import Traffic
from driftbreaker.cli.demo.service.workers import Worker

Answer = Callable[[int, dict[str, list[str]]], tuple[int, dict[str, Any]]]


def reply(served_by: str, *, tripped: bool = False) -> tuple[int, dict[str, Any]]:
    trip = {"incident": {"id": "i"}, "committed": 1.0} if tripped else None
    return 200, {"served_by": served_by, "decided": 1.0, "score": 0.0, "tripped": trip}


@contextmanager
def workers(answer: Answer, count: int = 1) -> Iterator[list[Worker]]:
    """Stand in for worker processes: `answer` is given the worker's number and what it is asked to quote."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            number = servers.index(self.server) + 1
            asked = urlsplit(self.path)
            shadowed = asked.path == "/shadow-quote"
            status, body = reply("control") if shadowed else answer(number, parse_qs(asked.query))
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    servers: list[Any] = [ThreadingHTTPServer(("127.0.0.1", 0), Handler) for _ in range(count)]
    for server in servers:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield [Worker(number, 0, server.server_address[1]) for number, server in enumerate(servers, start=1)]
    for server in servers:
        server.shutdown()
        server.server_close()


def send(places: list[Worker], count: int = 5) -> Traffic:
    sending = Traffic(stream.requests(count, seed=5), places, lambda: None)
    sending.send()
    return sending


def test_each_request_is_sent_once_to_some_worker() -> None:
    asked: list[str] = []

    def answer(_: int, query: dict[str, list[str]]) -> tuple[int, dict[str, Any]]:
        asked.append(query["at"][0])
        return reply("candidate")

    with workers(answer, 2) as places:
        sending = send(places, 40)
    assert sorted(asked) == sorted(request.at.isoformat() for request in stream.requests(40, seed=5))
    assert [served.turn.again for served in sending.served] == [False] * 40
    assert {served.worker.number for served in sending.served} == {1, 2}
    assert len(sending.shadowed) == 40


def test_after_a_trip_each_worker_is_asked_until_the_control_serves() -> None:
    hearing = dict.fromkeys((1, 2), 3)
    lock = threading.Lock()
    trips: list[int] = []

    def answer(number: int, _: dict[str, list[str]]) -> tuple[int, dict[str, Any]]:
        with lock:
            if not trips:
                trips.append(number)
                return reply("candidate", tripped=True)
            hearing[number] -= 1
            return reply("candidate" if hearing[number] >= 0 else "control")

    with workers(answer, 2) as places:
        sending = send(places, 1)
    again = [served for served in sending.served if served.turn.again]
    assert {served.worker.number for served in again if served.reply.served_by == "control"} == {1, 2}
    assert len(again) == 8
    assert len(sending.shadowed) == 1, "what is asked again is asked for its news alone"


def test_a_worker_that_never_hears_of_a_trip_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic, "PATIENCE", 0.2)
    trips = iter([True])
    with (
        workers(lambda *_: reply("candidate", tripped=next(trips, False))) as places,
        pytest.raises(DemoError, match=r"worker 1 did not hear of a trip within 0\.2 s"),
    ):
        send(places)


def test_a_worker_that_fails_is_an_error_and_ends_the_other_clients() -> None:
    with (
        workers(lambda number, _: (500, {}) if number == 2 else reply("candidate"), 2) as places,
        pytest.raises(DemoError, match=r"^worker 2 did not answer: [^\n]*500[^\n]*$"),
    ):
        send(places, 100_000)
