"""A flusher without a database: its time stands still until told, and what is written can be read, in its order."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError, OperationalError

from driftbreaker.model import Key, Observation, Verdict
from driftbreaker.policy import Batch, Consecutive, Streak
from driftbreaker.reporter.flusher import Flusher
from driftbreaker.reporter.options import checked_options
from driftbreaker.reporter.pending import Report, Segment
from driftbreaker.reporter.writing import Chunk

NEVER = Consecutive(1_000_000)
VERDICTS = (Verdict.BAD, Verdict.GOOD, Verdict.INCONCLUSIVE)

SIXTY = [f"{number:02}" for number in range(60)]


class Traced(Batch):
    """Remembers every observation that it sums up, in its order: their scores are their numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.trace: list[Observation] = []

    def add(self, observation: Observation) -> None:
        super().add(observation)
        self.trace.append(observation)

    def extend(self, later: Batch) -> None:
        super().extend(later)
        self.trace += later.trace  # type: ignore[attr-defined]


@contextmanager
def traced() -> Iterator[None]:
    """Have every segment remember what it sums up."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("driftbreaker.reporter.pending.Batch", Traced)
        yield


def trace_of(segment: Segment) -> list[Observation]:
    return segment.batch.trace  # type: ignore[attr-defined, no-any-return]


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds

    def advance(self, by: float) -> None:
        self.seconds += by


class RefusedError(Exception):
    """What a driver raises: with the state that PostgreSQL gives."""

    def __init__(self, sqlstate: str) -> None:
        super().__init__(f"refused with {sqlstate}")
        self.sqlstate = sqlstate


def lock_timeout() -> DBAPIError:
    return OperationalError("UPDATE", {}, RefusedError("55P03"))


def read_only() -> DBAPIError:
    return OperationalError("UPDATE", {}, RefusedError("25006"))


def cut_off() -> DBAPIError:
    return OperationalError("UPDATE", {}, RefusedError("57P01"), connection_invalidated=True)


def refused_commit() -> DBAPIError:
    return OperationalError(None, None, RefusedError("40001"))


@dataclass
class Written:
    """What a database would hold: the reports of each breaker in the order in which they were committed."""

    reports: defaultdict[Key, list[tuple[int | None, Observation]]] = field(default_factory=lambda: defaultdict(list))
    failures: Counter[Key] = field(default_factory=Counter)

    def commit(self, chunk: Chunk) -> None:
        for each in chunk.waiting:
            for segment in each.by_generation():
                trace = trace_of(segment)
                assert segment.batch.streak == Streak.of(one.verdict for one in trace)
                assert segment.reports == len(trace) + bool(segment.schema_errors)
                self.failures[each.key], _ = NEVER.decide(self.failures[each.key], segment.batch.streak)
                self.reports[each.key] += [(segment.generation, one) for one in trace]

    def numbers(self) -> list[float]:
        return [one.score for reports in self.reports.values() for _, one in reports]


class Scene:
    """A flusher, its time, and all that was ever reported to it."""

    def __init__(self, **options: Any) -> None:
        self.clock = Clock()
        self.stirred = 0
        self.flusher = Flusher(checked_options(**options), self._stir, self.clock)
        self.written = Written()
        self.doubted: list[float] = []
        self.reported = 0

    def _stir(self) -> None:
        self.stirred += 1

    def report(self, name: str, verdict: Verdict = Verdict.BAD, generation: int | None = None) -> None:
        observation = Observation(score=float(self.reported), verdict=verdict, details={})
        self.reported += 1
        self.flusher.add(Report(Key(name, ""), generation, observation))

    def flush(
        self, outcome: Callable[[Chunk], BaseException | None] = lambda _: None, *, due_only: bool = False
    ) -> bool:
        """Flush as a driver does; `outcome` says what becomes of each chunk, and may note how far that came."""
        with self.flusher.flushing(due_only=due_only):
            while (chunk := self.flusher.next_chunk()) is not None:
                error = outcome(chunk)
                if error is None:
                    self.written.commit(chunk)
                    self.flusher.wrote(chunk)
                    continue
                if chunk.in_doubt(error) and not chunk.committed:
                    self.doubted += [
                        one.score for each in chunk.waiting for part in each.segments for one in trace_of(part)
                    ]
                self.flusher.failed(chunk, error)
            return self.flusher.all_written

    def assert_counts_are_exact(self) -> None:
        counts = self.flusher.counts()
        assert counts.reported == self.reported
        assert counts.flushed == len(self.written.numbers())
        assert counts.in_doubt == len(self.doubted)
        settled = Counter(self.written.numbers()) + Counter(self.doubted)
        assert not settled or max(settled.values()) == 1, "something was settled twice"
        waiting = self.waiting()
        assert counts.waiting == len(waiting), "between two flushes nothing is under way"
        assert not settled.keys() & set(waiting)
        assert counts.dropped == self.reported - len(settled) - len(waiting)
        assert counts.dropped == sum(counts.why_dropped.values())

    def waiting(self) -> list[float]:
        self.flusher.counts()  # which sums everything up
        return [one.score for segment in segments_of(self.flusher) for one in trace_of(segment)]


def segments_of(flusher: Flusher) -> list[Segment]:
    return [segment for segments in flusher._pending._waiting.values() for segment in segments]


def names_of(chunk: Chunk) -> list[str]:
    return [key.name for key in chunk.keys]


def held(*names: str) -> Callable[[Chunk], BaseException | None]:
    """Somebody else holds the rows of some breakers."""

    def outcome(chunk: Chunk) -> BaseException | None:
        chunk.begun()
        return lock_timeout() if set(names) & set(names_of(chunk)) else None

    return outcome


def down(_chunk: Chunk) -> BaseException:
    """The database cannot be had."""
    return cut_off()


def assert_in_order(reports: Iterable[tuple[int | None, Observation]]) -> None:
    """Reports of one generation stand in the order of their calls, and so does one of none beside all others."""
    last: dict[int | None, float] = {}
    for generation, one in reports:
        before = (
            max(last.values(), default=-1.0)
            if generation is None
            else max(last.get(generation, -1.0), last.get(None, -1.0))
        )
        assert before < one.score
        last[generation] = max(one.score, last.get(generation, -1.0))


def dice(seed: int) -> random.Random:
    return random.Random(seed)
