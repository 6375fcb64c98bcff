"""A process that trips a breaker, relays, and dies by SIGKILL at a given point of that."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from driftbreaker import Alert, Cadence, CircuitBreaker, Outcome, Relay

from .children import CHILDREN
from .inbox import ACCEPTED

POINTS = ("before commit", "after commit", "after claim", "after send", "after settle")
LEASE = 1.0


class Letterbox:
    """A channel whose letters outlive the process: one line each."""

    name = "letterbox"
    cadence = Cadence.STATE

    def __init__(self, path: Path, die_at: str = "") -> None:
        self._path = path
        self._die_at = die_at

    def send(self, alerts: Sequence[Alert]) -> list[Outcome]:
        reach("after claim", self._die_at)
        with self._path.open("a") as letters:
            letters.writelines(f"{alert.state} {alert.incident.id}\n" for alert in alerts)
        reach("after send", self._die_at)
        return [ACCEPTED] * len(alerts)

    def close(self) -> None:
        pass

    @property
    def letters(self) -> list[str]:
        return self._path.read_text().splitlines() if self._path.exists() else []


def reach(point: str, die_at: str) -> None:
    if point == die_at:
        os.kill(os.getpid(), signal.SIGKILL)


def _trip_and_relay(url: str, letters: Path, die_at: str) -> None:
    engine = create_engine(url)
    with Session(engine) as session:
        CircuitBreaker(session, "pricing").disable("off", actor="alice")
        reach("before commit", die_at)
        session.commit()
    reach("after commit", die_at)
    Relay(engine, [Letterbox(letters, die_at)], lease=LEASE).run_once()
    reach("after settle", die_at)


def die(url: str, letters: Path, point: str) -> int | None:
    """Run it to its death in a process of its own; return its exit code."""
    process = CHILDREN.Process(target=_trip_and_relay, args=(url, letters, point))
    process.start()
    process.join(60)
    return process.exitcode
