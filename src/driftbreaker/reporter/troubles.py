"""Which breakers could not be written although the database can be: pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from ..model import Key

SHORTEST_WAIT = 0.05
LONGEST_WAIT = 2.0
SHORTEST_REST = 0.2
LONGEST_REST = 5.0


class Rest(NamedTuple):
    """How often a breaker failed in a row, and until when it is left alone."""

    failures: int
    until: float


class Troubles:
    """Breakers each of which rests for a while, longer each time, so that the others go on being written.

    And each time its row is waited for longer: where many want a lock, who never waits for it never gets it.
    """

    def __init__(self) -> None:
        self._rests: dict[Key, Rest] = {}

    def __contains__(self, key: Key) -> bool:
        return key in self._rests

    def __len__(self) -> int:
        return len(self._rests)

    def failed(self, key: Key, now: float) -> None:
        """Let a breaker rest."""
        failures = self._failures(key) + 1
        self._rests[key] = Rest(failures, now + _doubled(SHORTEST_REST, failures, LONGEST_REST))

    def over(self, keys: Iterable[Key]) -> None:
        """Forget about breakers that were written."""
        for key in keys:
            self._rests.pop(key, None)

    def forget_but(self, waiting: Collection[Key]) -> None:
        """Forget about all for which nothing waits any more."""
        self.over([key for key in self._rests if key not in waiting])

    def resting(self, now: float) -> Collection[Key]:
        """Return the breakers to be left alone for now."""
        return {key for key, rest in self._rests.items() if rest.until > now}

    def until(self, key: Key) -> float:
        """Return until when a breaker rests."""
        return self._rests[key].until

    def patience(self, key: Key) -> float:
        """Return for how many seconds its row's lock is waited for."""
        return _doubled(SHORTEST_WAIT, self._failures(key), LONGEST_WAIT)

    def _failures(self, key: Key) -> int:
        rest = self._rests.get(key)
        return 0 if rest is None else rest.failures


def _doubled(least: float, times: int, most: float) -> float:
    return min(least * 2.0 ** min(times, 60), most)
