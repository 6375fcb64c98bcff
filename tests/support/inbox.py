"""A channel that keeps what it is sent, and answers as it is told to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from driftbreaker import Alert, Cadence, Outcome, Result

ACCEPTED = Outcome(result=Result.ACCEPTED)
DOWN = Outcome(result=Result.FAILED, error="the receiver is down")
REFUSED = Outcome(result=Result.REFUSED, error="400: bad label", body='{"labels": {}}')


class Inbox:
    """Answers every alert with `answer`, or with what `answer(alert)` says."""

    def __init__(self, name: str = "inbox", cadence: Cadence = Cadence.STATE, answer: Any = ACCEPTED) -> None:
        self.name = name
        self.cadence = cadence
        self.answer: Outcome | Callable[[Alert], Outcome] = answer
        self.alerts: list[Alert] = []
        self.batches: list[int] = []

    async def send(self, alerts: Sequence[Alert]) -> list[Outcome]:
        self.alerts.extend(alerts)
        self.batches.append(len(alerts))
        return [self.answer if isinstance(self.answer, Outcome) else self.answer(alert) for alert in alerts]

    async def close(self) -> None:
        pass

    @property
    def states(self) -> list[str]:
        return [alert.state.value for alert in self.alerts]

    @property
    def reasons(self) -> list[str]:
        return [alert.incident.reason for alert in self.alerts]


class PlainInbox(Inbox):
    """The same without ``async``."""

    def send(self, alerts: Sequence[Alert]) -> list[Outcome]:  # type: ignore[override]
        self.alerts.extend(alerts)
        return [self.answer if isinstance(self.answer, Outcome) else self.answer(alert) for alert in alerts]

    def close(self) -> None:  # type: ignore[override]
        pass
