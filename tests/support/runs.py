"""How long one waits for so many bad ones in a row, or in all: exact, by the chances of each observation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice


def chances_in_a_row(share: float, length: int = 3) -> Iterator[float]:
    """Yield the chance that the first run of `length` bad ones is complete by observation 1, 2, 3, …

    Each observation is bad with the chance `share`, whatever the others are.
    """
    streaks = [1.0] + [0.0] * (length - 1)
    done = 0.0
    while True:
        done += streaks[-1] * share
        streaks = [sum(streaks) * (1 - share), *(chance * share for chance in streaks[:-1])]
        yield done


def chances_in_all(share: float, count: int = 3) -> Iterator[float]:
    """Yield the chance that `count` bad ones have come by observation 1, 2, 3, …, whatever lies between them."""
    seen = [1.0] + [0.0] * (count - 1)
    done = 0.0
    while True:
        done += seen[-1] * share
        seen = [kept * (1 - share) + new * share for kept, new in zip(seen, [0.0, *seen[:-1]], strict=True)]
        yield done


def mean_in_a_row(share: float, length: int = 3) -> float:
    """Return the mean number of observations until `length` bad ones in a row."""
    return float((1 - share**length) / ((1 - share) * share**length))


def quantile(chances: Iterable[float], part: float) -> int:
    """Return the observation by which that part of all runs has ended."""
    return next(number for number, chance in enumerate(chances, start=1) if chance >= part)


def by(chances: Iterable[float], observation: int) -> float:
    """Return the part of all runs that has ended by an observation."""
    return next(islice(chances, observation - 1, None))
