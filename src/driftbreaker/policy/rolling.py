"""Schema errors add up over a rolling hour, in sixty buckets of one minute."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from ..checks import MAX_INTEGER

MINUTES = 60

Buckets = Iterable[Sequence[int]]


def add_errors(buckets: Buckets | None, at: datetime, count: int) -> list[list[int]]:
    """Return the buckets of the last hour with `count` errors more at `at`.

    A bucket is ``[minute since 1970, errors]``. An error counts for at least 59 minutes and at most 60.
    """
    minute = _minute(at)
    counts = {each: errors for each, errors in buckets or () if each > minute - MINUTES}
    counts[minute] = min(counts.get(minute, 0) + count, MAX_INTEGER)
    return [[each, counts[each]] for each in sorted(counts)]


def count_errors(buckets: Buckets | None, at: datetime) -> int:
    """Return how many errors the last hour before `at` saw."""
    minute = _minute(at)
    return min(sum(errors for each, errors in buckets or () if each > minute - MINUTES), MAX_INTEGER)


def _minute(at: datetime) -> int:
    return int(at.timestamp()) // 60
