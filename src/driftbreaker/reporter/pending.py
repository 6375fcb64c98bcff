"""What was reported and not yet written, summed up: pure, and bounded whatever the database does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from ..checks import MAX_INTEGER
from ..model import Key, Observation
from ..policy import Batch

#: How long one segment sums up: so much sooner than asked for may evidence be dropped.
SPAN = 60.0


class Report(NamedTuple):
    """One call: an observation, or a number of schema errors."""

    key: Key
    generation: int | None
    observation: Observation | None = None
    schema_errors: int = 0
    details: dict[str, Any] | None = None


class Segment:
    """What was reported of one breaker, admitted in one generation, within a minute, in order."""

    __slots__ = ("batch", "began", "generation", "reports", "schema_details", "schema_errors")

    def __init__(self, generation: int | None, began: float) -> None:
        self.generation = generation
        self.began = began
        self.reports = 0
        self.batch = Batch()
        self.schema_errors = 0
        self.schema_details: dict[str, Any] = {}

    def add(self, report: Report) -> None:
        """Add a report that was made after all that are here."""
        self.reports += 1
        if report.observation is not None:
            self.batch.add(report.observation)
        else:
            self._add_errors(report.schema_errors, report.details or {})

    def extend(self, later: Segment) -> None:
        """Add all of a segment of the same generation that came later."""
        self.reports += later.reports
        self.batch.extend(later.batch)
        self._add_errors(later.schema_errors, later.schema_details)

    def _add_errors(self, errors: int, details: dict[str, Any]) -> None:
        if errors:
            self.schema_errors = min(self.schema_errors + errors, MAX_INTEGER)
            self.schema_details = details


class Waiting(NamedTuple):
    """All that waits for one breaker, the earliest first."""

    key: Key
    segments: list[Segment]

    def by_generation(self) -> Iterator[Segment]:
        """Yield what is written as one: neighbours of one generation."""
        joint: Segment | None = None
        for each in self.segments:
            if joint is not None and joint.generation != each.generation:
                yield joint
                joint = None
            if joint is None:
                joint = Segment(each.generation, each.began)
            joint.extend(each)
        if joint is not None:
            yield joint

    @property
    def reports(self) -> int:
        """How many calls it sums up."""
        return sum(each.reports for each in self.segments)


class Pending:
    """Sums reports up by breaker. One thread at a time may use it.

    What waits is at most `capacity` segments; beyond it the oldest are dropped. What is older than `keep` seconds is
    no evidence any more, and is dropped as well. All that is dropped is counted, by its reason.
    """

    def __init__(self, capacity: int, keep: float) -> None:
        self._capacity = capacity
        self._keep = keep
        self._waiting: dict[Key, list[Segment]] = {}
        self._segments = 0
        self.reports = 0
        self.dropped: Counter[str] = Counter()

    def add(self, report: Report, now: float) -> None:
        """Take one report in, as the last of its breaker."""
        segments = self._waiting.setdefault(report.key, [])
        if not segments or segments[-1].generation != report.generation or now - segments[-1].began >= SPAN:
            segments.append(Segment(report.generation, now))
            self._segments += 1
        segments[-1].add(report)
        self.reports += 1
        if self._segments > self._capacity:
            self._make_room()

    def take(self, now: float) -> list[Waiting]:
        """Hand over all that waits, in the order of the breakers' names."""
        self._drop_if(lambda segment: now - segment.began >= self._keep, "too old")
        taken = [Waiting(key, segments) for key, segments in sorted(self._waiting.items())]
        self._waiting, self._segments, self.reports = {}, 0, 0
        return taken

    def put_back(self, taken: Iterable[Waiting]) -> None:
        """Take back what could not be written, before all that came later."""
        for key, segments in taken:
            self._waiting[key] = segments + self._waiting.get(key, [])
            self._segments += len(segments)
            self.reports += sum(each.reports for each in segments)
        if self._segments > self._capacity:
            self._make_room()

    def drop_all(self, why: str) -> None:
        """Give up all that waits."""
        self._drop_if(lambda _: True, why)

    def _make_room(self) -> None:
        """Drop the oldest, a tenth at once: to look for one at a time would cost a search for each report."""
        began = sorted(segment.began for segments in self._waiting.values() for segment in segments)
        surplus = self._segments - self._capacity + self._capacity // 10
        limit = began[surplus - 1]
        left = surplus

        def goes(segment: Segment) -> bool:
            nonlocal left
            if segment.began > limit or not left:
                return False
            left -= 1
            return True

        self._drop_if(goes, "no room")

    def _drop_if(self, goes: Any, why: str) -> None:
        for key in list(self._waiting):
            kept = []
            for segment in self._waiting[key]:
                if goes(segment):
                    self.dropped[why] += segment.reports
                    self.reports -= segment.reports
                    self._segments -= 1
                else:
                    kept.append(segment)
            if kept:
                self._waiting[key] = kept
            else:
                del self._waiting[key]
