"""Observations of one breaker, summed up as they come: what a policy decides on, in the room of one."""

from __future__ import annotations

from collections.abc import Iterable

from ..model import Observation, Verdict
from .consecutive import Streak


class Batch:
    """What some observations, in the order in which they were made, come to.

    - `streak`: what their verdicts do to a streak.
    - `samples`: how many comparisons they sum up.
    - `worst`: the bad one with the highest score, the first of equals; None when none is bad.
    - `highest_good`: the highest score among the good ones.
    """

    __slots__ = ("highest_good", "samples", "streak", "worst")

    def __init__(self) -> None:
        self.streak = Streak()
        self.samples = 0
        self.worst: Observation | None = None
        self.highest_good: float | None = None

    @classmethod
    def of(cls, observations: Iterable[Observation]) -> Batch:
        """Sum up observations."""
        batch = cls()
        for each in observations:
            batch.add(each)
        return batch

    def add(self, observation: Observation) -> None:
        """Add one that was made after all that are here."""
        self.streak = self.streak.then(observation.verdict)
        self.samples += observation.samples
        if observation.verdict is Verdict.BAD:
            self._weigh(observation)
        elif observation.verdict is Verdict.GOOD:
            self._note_good(observation.score)

    def extend(self, later: Batch) -> None:
        """Add all of a batch whose observations were made after all that are here."""
        self.streak = self.streak.followed_by(later.streak)
        self.samples += later.samples
        if later.worst is not None:
            self._weigh(later.worst)
        if later.highest_good is not None:
            self._note_good(later.highest_good)

    def _weigh(self, bad: Observation) -> None:
        if self.worst is None or bad.score > self.worst.score:
            self.worst = bad

    def _note_good(self, score: float) -> None:
        if self.highest_good is None or score > self.highest_good:
            self.highest_good = score
