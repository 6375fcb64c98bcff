"""What a channel is handed, and what it answers: an alert as it stands now, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from .model import AlertState, Incident

MAX_DESCRIPTION = 1_024


class Cadence(StrEnum):
    """What a channel wants to be told.

    - ``state``: what is so now, again and again while it fires (Alertmanager, which forgets);
    - ``message``: one message when it fires, one when that is over (people, webhooks);
    - ``record``: every change, and every incident, whether or not anybody heard of it (files).
    """

    STATE = "state"
    MESSAGE = "message"
    RECORD = "record"

    @property
    def keeps_records(self) -> bool:
        """Whether the channel is handed the incidents that ended before anybody was told of them."""
        return self is Cadence.RECORD


@dataclass(frozen=True, kw_only=True)
class Alert:
    """One alert as its row says now. `labels` and `starts_at` are the same on fire and on resolve.

    - `identity`: of the label set; with `version`, which counts the changes of the row, a stable id of what is sent.
    - `ends_at`: of a firing alert, when the breaker recovers by itself, None when somebody must enable it; of a
      resolved one, when it ended.
    - `now`: the database's time when the row was read. Hosts' clocks play no part.
    - `earlier`: incidents under the same labels that ended since this channel last took the alert, oldest first.
    """

    identity: str
    version: int
    name: str
    scope: str
    state: AlertState
    labels: dict[str, str]
    starts_at: datetime
    ends_at: datetime | None
    now: datetime
    incident: Incident
    held_until: datetime | None = None
    held_by: str | None = None
    runbook_url: str | None = None
    generator_url: str | None = None
    earlier: tuple[Incident, ...] = ()

    @property
    def id(self) -> str:
        """The same for every attempt to deliver this state of this alert, and for no other."""
        return f"{self.identity[:32]}-{self.version}"

    @property
    def firing(self) -> bool:
        """Whether the breaker is open."""
        return self.state is AlertState.FIRING

    @property
    def summary(self) -> str:
        """What traffic does, in one line."""
        breaker = f"{self.name} ({self.scope})" if self.scope else self.name
        if self.firing:
            return f"Candidate OFF, serving control: {breaker}"
        return f"Candidate back ON: {breaker}"

    @property
    def description(self) -> str:
        """Why, how bad it was, and until when."""
        incident = self.incident
        if not self.firing:
            who = incident.resolved_by or "somebody"
            return f"Ended by {who}: {_short(incident.resolution_notes or 'no reason recorded')}."
        evidence = f" Drift score {incident.drift_score:g}, samples {incident.sample_count}."
        # Nothing was measured when a person turned it off.
        return f"{_short(incident.reason)}.{evidence if incident.sample_count else ''} {self.end}"

    @property
    def end(self) -> str:
        """Until when the breaker stays open, and by whose hand."""
        if self.held_by is not None:
            until = "until somebody enables it" if self.held_until is None else f"until {_instant(self.held_until)}"
            return f"Held by {self.held_by} {until}."
        if self.ends_at is None:
            return "Off until enabled by hand."
        return f"Off until {_instant(self.ends_at)}, then it recovers by itself."


class Result(StrEnum):
    """What became of one alert on its way."""

    ACCEPTED = "accepted"
    FAILED = "failed"  # for now: it is tried again
    REFUSED = "refused"  # for good: this very state is parked, the next one is sent


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a channel answers for one alert.

    `retry_after` is the receiver's own wish, in seconds; `body` is what it refused. Neither text may hold credentials.
    """

    result: Result
    error: str = ""
    retry_after: float | None = None
    body: str = ""


ACCEPTED = Outcome(result=Result.ACCEPTED)


class Channel(Protocol):
    """Where alerts go. Two methods, both either plain or ``async``.

    `name` is what its deliveries are recorded under: two channels of one relay must differ in it, and it must stay the
    same over restarts. A plain `send` runs in a thread of its own, so that it may block.
    """

    name: str
    cadence: Cadence

    def send(self, alerts: Sequence[Alert]) -> object:
        """Deliver these; return one `Outcome` for each, in their order. What is raised counts as failed, for all."""
        ...

    def close(self) -> object:
        """Let go of connections. A later `send` may open them again."""
        ...


def _short(text: str) -> str:
    return text if len(text) <= MAX_DESCRIPTION else text[: MAX_DESCRIPTION - 1] + "…"


def _instant(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
