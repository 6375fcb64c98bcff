"""The traffic as a tape: one row for each fortnight, one mark for each request."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from enum import IntEnum
from math import ceil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from driftbreaker.cli.demo.job import Step

ROW_DAYS = 14
ROW_MARKS = 42


class Mark(IntEnum):
    """What a mark says; where it stands for several requests, the highest of theirs."""

    CONTROL = 0
    AGREES = 1
    BELOW = 2
    ABOVE = 3
    TRIP = 4


@dataclass(frozen=True, slots=True)
class Fortnight:
    """Two weeks of traffic."""

    first_day: date
    last_day: date
    marks: tuple[Mark, ...]

    def count(self, mark: Mark) -> int:
        """Return how many requests got this mark."""
        return self.marks.count(mark)

    def shortened(self, each: int) -> list[Mark]:
        """Return one mark for every `each` requests."""
        return [max(self.marks[start : start + each]) for start in range(0, len(self.marks), each)]


def fortnights(steps: Sequence[Step], first_day: date, days: int, threshold: float) -> tuple[Fortnight, ...]:
    """Lay the steps out in rows of equal time."""
    found = []
    for offset in range(0, days, ROW_DAYS):
        start = first_day + timedelta(days=offset)
        last = start + timedelta(days=ROW_DAYS - 1)
        marks = tuple(_mark(step, threshold) for step in steps if start <= step.request.at.date() <= last)
        found.append(Fortnight(start, last, marks))
    return tuple(found)


def requests_per_mark(rows: Sequence[Fortnight]) -> int:
    """Return how many requests must share a mark for every row to fit."""
    return max(ceil(max(len(row.marks) for row in rows) / ROW_MARKS), 1)


def _mark(step: Step, threshold: float) -> Mark:
    if step.incident is not None:
        return Mark.TRIP
    if step.score is None:
        return Mark.CONTROL
    if step.score == 0:
        return Mark.AGREES
    # Scores come from exact decimals: one that equals the threshold equals it as a float too.
    return Mark.ABOVE if step.score > threshold else Mark.BELOW
