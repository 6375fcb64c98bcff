"""Two numbers: how far the candidate lies from the control, in parts of one or of both."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

from ..checks import check_threshold_score
from ..errors import InvalidArgumentError, Unusable, UnusableScoreError
from .exact import Amount, read
from .measuring import MAX_SCORE, as_score
from .quick import Ratio, relative, relative_of_floats

Number = int | float | Decimal | Fraction


def relative_delta(*, floor: Number = 0, zero: float | None = MAX_SCORE) -> Callable[[object, object], float]:
    """Make the score function |candidate - control| / max(|control|, floor).

    `floor`: the least denominator, >= 0, in the unit of the answers, so that tiny controls do not explode.
    `zero`: the score > 0 of a candidate that is not zero where the control is and there is no floor; None raises
    UnusableScoreError of kind `zero_control` instead. Raises InvalidArgumentError.

    Its scores reach from 0.0 to MAX_SCORE. Without floats among the answers they are exact, and 0.0 means equal; with
    one they are rounded to 12 decimal places (above 1: to 12 significant digits), so that what only rounding set
    apart scores the same. None beside None scores 0.0, None beside anything else MAX_SCORE.
    The function raises UnusableScoreError of kind `not_a_number` (text, truth values), `not_finite` or `too_large`.
    """
    least, at_zero = _floor(floor), None if zero is None else _at_zero(zero)
    whole, nearly = Ratio(least.numerator, least.denominator), _as_float(least)

    def score(control: Amount, candidate: Amount) -> float:
        if not (control.value or least):
            return _beside_zero(candidate, at_zero)
        return _ratio(control, candidate, max(abs(control.value), least))

    closely = _between_numbers(score)

    def of_answers(control: object, candidate: object) -> float:
        quickly = None
        if type(control) is float and type(candidate) is float:
            quickly = relative_of_floats(control, candidate, nearly)
        if quickly is None:
            quickly = relative(control, candidate, whole)
        return closely(control, candidate) if quickly is None else quickly

    return of_answers


def symmetric_delta(*, floor: Number = 0) -> Callable[[object, object], float]:
    """Make the score function |control - candidate| / max(|control|, |candidate|, floor).

    `floor`: the least denominator, >= 0, in the unit of the answers. Raises InvalidArgumentError.

    Its scores reach from 0.0 to 1.0 for numbers of one sign, to 2.0 for opposite ones: a threshold of 1 or more never
    sees a candidate that is zero, or a thousand times the control. Both zero score 0.0. Rounding, None and what
    raises are those of `relative_delta`.
    """
    least = _floor(floor)

    def score(control: Amount, candidate: Amount) -> float:
        largest = max(abs(control.value), abs(candidate.value), least)
        return _ratio(control, candidate, largest) if largest else 0.0

    return _between_numbers(score)


def _between_numbers(score: Callable[[Amount, Amount], float]) -> Callable[[object, object], float]:
    """Read both answers as numbers; an answer that is missing on one side is as far away as can be."""

    def of_answers(control: object, candidate: object) -> float:
        if control is None and candidate is None:
            return 0.0
        amounts = [
            read(each, side) for each, side in ((control, "control"), (candidate, "candidate")) if each is not None
        ]
        return score(*amounts) if len(amounts) == 2 else MAX_SCORE

    return of_answers


def _ratio(control: Amount, candidate: Amount, denominator: Fraction) -> float:
    return as_score(abs(candidate.value - control.value) / denominator, exact=control.exact and candidate.exact)


def _beside_zero(candidate: Amount, at_zero: float | None) -> float:
    if not candidate.value:
        return 0.0
    if at_zero is None:
        raise UnusableScoreError(
            "the control is 0 and the candidate is not: set a floor in the unit of the answers", Unusable.ZERO_CONTROL
        )
    return at_zero


def _floor(value: Number) -> Fraction:
    try:
        floor = read(value, "floor").value
    except UnusableScoreError as error:
        raise InvalidArgumentError(str(error)) from error
    if floor < 0:
        raise InvalidArgumentError(f"floor must be >= 0, got {value!r}")
    return floor


def _as_float(floor: Fraction) -> float:
    try:
        return float(floor)
    except OverflowError:
        return math.inf


def _at_zero(value: float) -> float:
    score = check_threshold_score(value, "zero")
    if not score:
        raise InvalidArgumentError("zero must be above 0: the candidate is not 0 where the control is, which is drift")
    return score
