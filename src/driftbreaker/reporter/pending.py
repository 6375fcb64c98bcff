"""What was reported and not yet written, summed up: pure, and bounded whatever the database does."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, NamedTuple

from ..checks import MAX_INTEGER
from ..clean import MARK
from ..model import Key, Observation
from ..policy import Batch

#: How long one segment sums up: so much sooner than asked for may evidence be dropped.
SPAN = 60.0
#: Among how many of a breaker's last segments a report looks for one of its generation.
REACH = 4
#: How many bytes of evidence wait at most.
EVIDENCE = 64 * 1024 * 1024


class Report(NamedTuple):
    """One call: an observation, or a number of schema errors; `weight` is how many bytes its evidence takes."""

    key: Key
    generation: int | None
    observation: Observation | None = None
    schema_errors: int = 0
    details: dict[str, Any] | None = None
    weight: int = 0

    def bare(self) -> Report:
        """Return it without its evidence."""
        if self.observation is None:
            return self._replace(details=_cut(), weight=0)
        return self._replace(observation=self.observation._replace(details=_cut()), weight=0)


def _cut() -> dict[str, Any]:
    """Return what stands for evidence that was too much, as where some of it was."""
    return {MARK: MARK}


class Segment:
    """What was reported of one breaker, admitted in one generation, within a minute, in order."""

    __slots__ = (
        "_errors_weight",
        "_worst_weight",
        "batch",
        "began",
        "generation",
        "reports",
        "schema_details",
        "schema_errors",
    )

    def __init__(self, generation: int | None, began: float) -> None:
        self.generation = generation
        self.began = began
        self.reports = 0
        self.batch = Batch()
        self.schema_errors = 0
        self.schema_details: dict[str, Any] = {}
        self._worst_weight = self._errors_weight = 0

    @property
    def weight(self) -> int:
        """How many bytes its evidence takes."""
        return self._worst_weight + self._errors_weight

    def add(self, report: Report) -> int:
        """Add a report that was made after all that are here; return by how many bytes the evidence grows."""
        self.reports += 1
        if report.observation is None:
            self._add_errors(report.schema_errors, report.details or {})
            before, self._errors_weight = self._errors_weight, report.weight
        else:
            self.batch.add(report.observation)
            if self.batch.worst is not report.observation:
                return 0
            before, self._worst_weight = self._worst_weight, report.weight
        return report.weight - before

    def strip(self) -> None:
        """Keep all that it comes to, but not the evidence."""
        if self._worst_weight and self.batch.worst is not None:
            self.batch.worst = self.batch.worst._replace(details=_cut())
        if self._errors_weight:
            self.schema_details = _cut()
        self._worst_weight = self._errors_weight = 0

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
    no evidence any more, and is dropped as well. All that is dropped is counted, by its reason. Their evidence takes
    no more than `EVIDENCE` bytes; beyond it reports and what comes back keep their scores only.
    """

    def __init__(self, capacity: int, keep: float) -> None:
        self._capacity = capacity
        self._keep = keep
        self._waiting: dict[Key, list[Segment]] = {}
        self._segments = 0
        self.reports = 0
        self.weight = 0
        self.dropped: Counter[str] = Counter()

    def add(self, report: Report, now: float) -> None:
        """Take one report in, as the last of its breaker."""
        segments = self._waiting.setdefault(report.key, [])
        segment = _to_join(segments, report.generation, now)
        if segment is None:
            segment = Segment(report.generation, now)
            segments.append(segment)
            self._segments += 1
        if report.weight and self.weight + report.weight > EVIDENCE:
            report = report.bare()
        self.weight += segment.add(report)
        self.reports += 1
        if self._segments > self._capacity:
            self._make_room()

    @property
    def keys(self) -> Collection[Key]:
        """The breakers of which something waits."""
        return self._waiting.keys()

    def reports_of(self, keys: Iterable[Key]) -> int:
        """Return how many calls wait for some breakers."""
        return sum(Waiting(key, self._waiting.get(key, [])).reports for key in keys)

    def take(self, now: float, but: Collection[Key] = ()) -> list[Waiting]:
        """Hand over all that waits, in the order of the breakers' names; leave what waits for those in `but`."""
        self._drop_if(lambda segment: now - segment.began >= self._keep, "too old")
        taken = [Waiting(key, segments) for key, segments in sorted(self._waiting.items()) if key not in but]
        for each in taken:
            del self._waiting[each.key]
            self._segments -= len(each.segments)
            self.reports -= each.reports
            self.weight -= sum(segment.weight for segment in each.segments)
        return taken

    def put_back(self, taken: Iterable[Waiting]) -> None:
        """Take back what could not be written, before all that came later."""
        for key, segments in taken:
            self._waiting[key] = segments + self._waiting.get(key, [])
            self._segments += len(segments)
            for each in segments:
                self.reports += each.reports
                if self.weight + each.weight > EVIDENCE:
                    each.strip()
                self.weight += each.weight
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
        # Of those that began at the limit itself not all go; of those before it every one does.
        left = surplus - bisect_left(began, limit)

        def goes(segment: Segment) -> bool:
            nonlocal left
            if segment.began == limit:
                left -= 1
                return left >= 0
            return segment.began < limit

        self._drop_if(goes, "no room")

    def _drop_if(self, goes: Callable[[Segment], bool], why: str) -> None:
        for key in list(self._waiting):
            kept = []
            for segment in self._waiting[key]:
                if goes(segment):
                    self.dropped[why] += segment.reports
                    self.reports -= segment.reports
                    self.weight -= segment.weight
                    self._segments -= 1
                else:
                    kept.append(segment)
            if kept:
                self._waiting[key] = kept
            else:
                del self._waiting[key]


def _to_join(segments: list[Segment], generation: int | None, now: float) -> Segment | None:
    """Return the segment that a report goes on with, if there is one.

    Reports of two generations never meet: where calls of both end in turns, each joins its own. One that was admitted
    in none counts in any, and nothing may move past it.
    """
    for each in reversed(segments[-REACH:]):
        if each.generation == generation:
            return each if now - each.began < SPAN else None
        if generation is None or each.generation is None:
            return None
    return None
