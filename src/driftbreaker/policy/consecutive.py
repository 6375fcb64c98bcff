"""Trip after N bad scores in a row: the origin's rule, and the only one whose state is a single integer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..checks import check_threshold_count
from ..model import Verdict


@dataclass(frozen=True)
class Streak:
    """What a batch of verdicts does to a streak, whatever came before it.

    `prefix`: bad ones before the first good one. `longest`: the longest run of bad ones. `suffix`: bad ones after
    the last good one (the whole batch when it has none). `any_good`: whether there was a good one.
    Inconclusive verdicts neither extend nor break a run.
    """

    prefix: int = 0
    longest: int = 0
    suffix: int = 0
    any_good: bool = False

    @classmethod
    def of(cls, verdicts: Iterable[Verdict]) -> Streak:
        """Fold verdicts, in the order in which they were made."""
        streak = cls()
        for verdict in verdicts:
            streak = streak.then(verdict)
        return streak

    def then(self, verdict: Verdict) -> Streak:
        """Return the streak with one more verdict at its end."""
        if verdict is Verdict.INCONCLUSIVE:
            return self
        if verdict is Verdict.GOOD:
            return self if self.any_good and not self.suffix else Streak(self.prefix, self.longest, 0, any_good=True)
        suffix = self.suffix + 1
        prefix = self.prefix if self.any_good else suffix
        return Streak(prefix, max(self.longest, suffix), suffix, self.any_good)

    def followed_by(self, later: Streak) -> Streak:
        """Return the streak of a batch and of a later one together."""
        joint = self.suffix + later.prefix
        return Streak(
            prefix=self.prefix if self.any_good else joint,
            longest=max(self.longest, joint, later.longest),
            suffix=later.suffix if later.any_good else joint,
            any_good=self.any_good or later.any_good,
        )


@dataclass(frozen=True)
class Consecutive:
    """Trips when `failures` bad verdicts follow each other without a good one between them."""

    failures: int

    def __post_init__(self) -> None:
        check_threshold_count(self.failures, "failure_threshold")

    def decide(self, failures: int, batch: Streak) -> tuple[int, bool]:
        """Return the streak after `batch`, and whether the threshold was reached within it.

        `failures` is the streak before it. When it trips, the streak returned is the one it ends with; the breaker
        keeps the one it tripped at.
        """
        trips = failures + batch.prefix >= self.failures if batch.prefix else False
        after = batch.suffix if batch.any_good else failures + batch.suffix
        return after, trips or batch.longest >= self.failures
