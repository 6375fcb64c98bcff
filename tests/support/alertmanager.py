"""What a real Alertmanager does with alerts, as far as it shows them: keeps each label set until it ends."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.receiver import Answer, Line, Received, Receiver


class FakeAlertmanager:
    """Answers POST and GET of ``/api/v2/alerts``; `seen` is every breaker and state that was posted, in order."""

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver
        self.url = receiver.url
        self._alerts: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()
        self.seen: list[tuple[str, str]] = []

    def __call__(self, line: Line, request: Received) -> None:
        with self._lock:
            if request.method == "POST":
                for alert in request.json:
                    self._take(alert)
                Answer(200, b"")(line, request)
            else:
                Answer(200, json.dumps(self._shown(request.path)))(line, request)

    @property
    def firing(self) -> list[str]:
        """The breakers whose alerts fire now."""
        with self._lock:
            return sorted(alert["labels"]["circuit_breaker"] for alert in self._shown("/api/v2/alerts"))

    def _take(self, alert: dict[str, Any]) -> None:
        self._alerts[json.dumps(alert["labels"], sort_keys=True)] = alert
        state = "firing" if _ahead(alert["endsAt"]) else "resolved"
        told = (alert["labels"]["circuit_breaker"], state)
        if told not in self.seen:
            self.seen.append(told)

    def _shown(self, path: str) -> list[dict[str, Any]]:
        wanted = [re.fullmatch(r'(\w+)="(.*)"', each) for each in parse_qs(urlsplit(path).query).get("filter", [])]
        return [
            alert
            for alert in self._alerts.values()
            if _ahead(alert["endsAt"]) and all(each and alert["labels"].get(each[1]) == each[2] for each in wanted)
        ]


def _ahead(instant: str) -> bool:
    return datetime.fromisoformat(instant) > datetime.now(UTC)


@contextmanager
def alertmanager() -> Iterator[FakeAlertmanager]:
    """Run one on a port of this machine."""
    with Receiver() as receiver:
        fake = FakeAlertmanager(receiver)
        receiver.script(then=fake)
        yield fake
