"""Reporting beside the request: what a call costs, and a million of them in a minute."""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, event, select
from sqlalchemy.orm import Session

from driftbreaker import BreakerSettings, CircuitBreaker, Reporter
from driftbreaker.tables import default_tables

from .rounds import Contender, Result, race

REPORTS, SECONDS, INTERVAL = 1_000_000, 60.0, 0.2
BURST = 100
#: Never trips: what is compared is the streak.
ENDLESS = BreakerSettings(failure_threshold=2**40, drift_threshold=0.2)
GOOD, BAD = 0.1, 0.5


def calls(engine: Engine) -> list[Result]:
    """One call, beside the least that keeping something takes, and beside a transaction of its own."""
    queue: deque[tuple[object, ...]] = deque(maxlen=100_000)
    with Reporter(engine, settings={"calls": ENDLESS}) as reporter, Session(engine) as session:
        breaker = CircuitBreaker(session, "joined", settings=ENDLESS)

        def joined() -> None:
            breaker.report_drift(GOOD)
            session.commit()

        return race(
            [
                Contender("deque.append of a tuple", lambda: queue.append(("calls", GOOD, 0))),
                Contender("reporter.report, good", lambda: reporter.report("calls", GOOD, generation=0)),
                Contender("reporter.report, bad", lambda: reporter.report("calls", BAD, generation=0)),
                Contender("CircuitBreaker.report_drift, committed", joined),
            ],
            rounds=20,
        )


@dataclass(frozen=True)
class Minute:
    """What a minute of reports came to: what was sent, what the reporter says of it, and what the database does.

    `counted` is of the breaker of the first half minute, which hears of bad ones alone: each of its reports is one more
    in the database, or was lost. `streak` and `expected` are of the second's, which now and then hears of a good one.
    """

    sent: int
    flushed: int
    counted: int
    seconds: float
    statements: int
    streak: int
    expected: int
    slowest: float
    busy: float

    @property
    def lost(self) -> int:
        """How many reports are missing, by whoever misses more."""
        return max(self.sent - self.flushed, self.sent // 2 - self.counted)


def minute(engine: Engine) -> Minute:
    """Report a million times within a minute from one process, as evenly as bursts of a hundred allow.

    Statements are counted with each BEGIN and COMMIT. The expected streak is counted beside, one verdict at a time.
    """
    chance = random.Random(7)
    streak, slowest = 0, 0.0
    settings = {"minute": ENDLESS, "all bad": ENDLESS}
    with _counted(engine) as statements, Reporter(engine, settings=settings, interval=INTERVAL) as reporter:
        began, processor = time.perf_counter(), time.process_time()
        for sent in range(0, REPORTS, BURST):
            _wait_until(began + SECONDS * sent / REPORTS)
            all_bad = sent < REPORTS // 2
            for bad in chance.choices((True, False), (1, 0) if all_bad else (0.999, 0.001), k=BURST):
                streak = 0 if all_bad or not bad else streak + 1
                called = time.perf_counter()
                reporter.report("all bad" if all_bad else "minute", BAD if bad else GOOD)
                slowest = max(slowest, time.perf_counter() - called)
        seconds, busy = time.perf_counter() - began, time.process_time() - processor
        reporter.close()
        flushed = reporter.counts.flushed
    breakers = default_tables().breakers
    with engine.connect() as connection:
        found = connection.execute(select(breakers.c.name, breakers.c.failures)).all()
    failures = {row.name: row.failures for row in found}
    return Minute(
        sent=REPORTS,
        flushed=flushed,
        counted=failures["all bad"],
        seconds=seconds,
        statements=len(statements),
        streak=failures["minute"],
        expected=streak,
        slowest=slowest,
        busy=busy / seconds,
    )


def _wait_until(moment: float) -> None:
    left = moment - time.perf_counter()
    if left > 0:
        threading.Event().wait(left)


@contextmanager
def _counted(engine: Engine) -> Iterator[list[None]]:
    seen: list[None] = []

    def sent(*_: Any) -> None:
        seen.append(None)

    kinds = ("before_cursor_execute", "begin", "commit", "rollback")
    for kind in kinds:
        event.listen(engine, kind, sent)
    try:
        yield seen
    finally:
        for kind in kinds:
            event.remove(engine, kind, sent)
