"""Two rates: events among trials, counted on both sides."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import cast

from ..checks import check_count, check_threshold_count
from ..errors import Unusable, UnusableScoreError
from .measuring import as_score, shown

Counts = tuple[int, int]


def difference_of_rates(*, least: int = 1) -> Callable[[Counts, Counts], float]:
    """Make the score function |events / trials of the candidate - events / trials of the control|.

    Both answers are pairs of counts, ``(events, trials)`` with 0 <= events <= trials. Scores are exact and reach from
    0.0 to 1.0: percentage points, not parts of the control's rate. `least`: the trials that either side must have,
    >= 1; few trials make rates that differ by chance alone. Raises InvalidArgumentError.
    The function raises UnusableScoreError of kind `too_few` below `least`, and `not_a_number` for other answers.
    """
    enough = check_threshold_count(least, "least")

    def score(control: Counts, candidate: Counts) -> float:
        before, after = _rate(control, "control", enough), _rate(candidate, "candidate", enough)
        return as_score(abs(after - before), exact=True)

    return score


def _rate(answer: object, side: str, enough: int) -> Fraction:
    events, trials = _counts(answer, side)
    if trials < enough:
        raise UnusableScoreError(
            f"the {side} has {trials} trials, a rate needs {enough} or more: collect them first", Unusable.TOO_FEW
        )
    return Fraction(events, trials)


def _counts(answer: object, side: str) -> Counts:
    try:
        events, trials = cast("Counts", answer)
        trials = check_count(trials, "trials", 0)
        events = check_count(events, "events", 0)
    except Exception as error:
        raise _no_rate(answer, side) from error
    if events > trials:
        raise _no_rate(answer, side)
    return events, trials


def _no_rate(answer: object, side: str) -> UnusableScoreError:
    return UnusableScoreError(
        f"the {side} must be two counts, (events, trials) with 0 <= events <= trials, got {shown(answer)}",
        Unusable.NOT_A_NUMBER,
    )
