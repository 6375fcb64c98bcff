"""Interleaved rounds: every contender runs in every round, in rotated order, and is compared within its round.

Machines are noisy and drift; a ratio within one round of milliseconds survives that, a mean over minutes does not.
Each result is the median of the rounds' ratios with its quartiles; where those differ by more than two times it is
called noisy and not judged.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

NOISY = 2.0


@dataclass(frozen=True)
class Contender:
    """Something to time: `run` does the work `times` times; `limit` is the ratio to the baseline that we promise.

    `most` is how often it may run in a row, 0 for any number; `after` then clears away what that left, untimed.
    """

    name: str
    run: Callable[[], object]
    limit: float | None = None
    times: int = 1
    most: int = 0
    after: Callable[[], object] = lambda: None


@dataclass(frozen=True)
class Result:
    """One contender beside the baseline, over all rounds. `median` is in microseconds, or in transactions a second."""

    name: str
    median: float
    ratio: float
    low: float
    high: float
    limit: float | None
    at_least: bool = False

    @property
    def verdict(self) -> str:
        """Say whether the promise holds, or that the machine was too noisy to tell."""
        if self.limit is None:
            return ""
        if self.low > 0 and self.high / self.low > NOISY:
            return "noisy"
        return kept(self.ratio >= self.limit if self.at_least else self.ratio <= self.limit)


def race(contenders: Sequence[Contender], *, rounds: int = 40, seconds: float = 0.01) -> list[Result]:
    """Time contenders against the first of them.

    Each round gives each of them about `seconds`; the order rotates from round to round.
    """
    repeats = {each.name: _repeats(each, seconds) for each in contenders}
    times: dict[str, list[float]] = {each.name: [] for each in contenders}
    gc.collect()
    gc.disable()
    try:
        for number in range(rounds):
            start = number % len(contenders)
            for each in (*contenders[start:], *contenders[:start]):
                times[each.name].append(_time(each.run, repeats[each.name]) / each.times)
                each.after()
    finally:
        gc.enable()
    return [_result(each, times[each.name], times[contenders[0].name]) for each in contenders]


def _time(run: Callable[[], object], repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        run()
    return (time.perf_counter() - start) / repeats


def _repeats(contender: Contender, seconds: float) -> int:
    for _ in range(20):  # drivers prepare a statement after a few executions, SQLAlchemy fills its caches
        contender.run()
    repeats = max(1, round(seconds / _time(contender.run, 5)))
    contender.after()
    return min(repeats, contender.most) if contender.most else repeats


def _result(contender: Contender, mine: Sequence[float], baseline: Sequence[float]) -> Result:
    ratios = sorted(own / base for own, base in zip(mine, baseline, strict=True))
    low, _, high = statistics.quantiles(ratios, n=4)
    return Result(contender.name, statistics.median(mine) * 1e6, statistics.median(ratios), low, high, contender.limit)


def kept(promise: bool) -> str:  # noqa: FBT001  what is judged
    """Say whether a promise that is no ratio was kept."""
    return "ok" if promise else "BROKEN"


def noise(rounds: int = 40) -> float:
    """Return how much the same busy loop varies on this machine now: third quartile over first."""

    def spin() -> None:
        for _ in range(20_000):
            pass

    times = [_time(spin, 1) for _ in range(rounds)]
    low, _, high = statistics.quantiles(times, n=4)
    return high / low
