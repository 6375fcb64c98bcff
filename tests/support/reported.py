"""What was reported to a `Reporter` beside what a database holds, and what the reporter said of itself."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, create_engine, select
from sqlalchemy.pool import NullPool

from driftbreaker import BreakerSettings, Reporter
from driftbreaker.tables import default_tables

from .alertmanagers import eventually
from .boards import logged

BAD, GOOD = 0.5, 0.1
NEVER = BreakerSettings(failure_threshold=1_000_000)
#: A call takes microseconds; what a busy machine adds is not what a database would.
AT_ONCE = 0.5


class Desk:
    """A reporter, all that was reported to it, and a way in of one's own to see what became of it."""

    def __init__(self, reporter: Reporter, outside: Engine, lines: list[str]) -> None:
        self.reporter = reporter
        self.outside = outside
        self.lines = lines
        self.calls = 0
        self.slowest = 0.0

    def report(self, *names: str, times: int = 1, score: float = BAD) -> None:
        """Report on each breaker so many times; every call is timed."""
        for _ in range(times):
            for name in names or ("pricing",):
                began = time.perf_counter()
                self.reporter.report(name, score)
                self.slowest = max(self.slowest, time.perf_counter() - began)
                self.calls += 1

    def failures(self) -> dict[str, int]:
        """What the rows count."""
        breakers = default_tables().breakers
        with self.outside.connect() as connection:
            return {row.name: row.failures for row in connection.execute(select(breakers))}

    def assert_counts_are_exact(self) -> None:
        counts = self.reporter.counts
        assert counts.reported == self.calls
        assert counts.reported == counts.flushed + counts.dropped + counts.in_doubt + counts.waiting
        assert counts.dropped == sum(counts.why_dropped.values())

    def assert_all_is_there(self, *, patience: float = 15.0) -> None:
        """Everything that waits is written in time, once; only what is in doubt may be there or not."""
        eventually(lambda: self.reporter.counts.waiting == 0, "all is written", patience)
        self.assert_counts_are_exact()
        counts = self.reporter.counts
        assert counts.flushed <= sum(self.failures().values()) <= counts.flushed + counts.in_doubt

    def assert_it_was_told_of_once(self) -> None:
        """One line when it began, and one when it was over."""
        begins, ends = "the reporter cannot write and goes on trying", "the reporter writes to the database again"
        assert len(self.lines) == 2, self.lines
        assert begins in self.lines[0]
        assert ends in self.lines[1]


@contextmanager
def reporting(engine: Engine, outside: str, *, started: bool = True, **options: Any) -> Iterator[Desk]:
    """A reporter on an engine, and a second way in that no fault touches."""
    options = {"interval": 0.02, "default": NEVER, **options}
    default = options.pop("default")
    reporter = Reporter(engine, **options)
    reporter._default = default
    own = create_engine(outside, poolclass=NullPool)
    with logged() as lines:
        try:
            if started:
                reporter.start()
            yield Desk(reporter, own, lines)
        finally:
            reporter.close()
            own.dispose()
            engine.dispose()
