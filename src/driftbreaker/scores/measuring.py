"""Calls score functions, and makes scores out of exact numbers."""

from __future__ import annotations

import math
import reprlib
from fractions import Fraction
from types import CoroutineType
from typing import Any, Protocol

from ..checks import check_score
from ..clean import clean_text
from ..errors import InvalidArgumentError, Unusable, UnusableScoreError


class ScoreFunction(Protocol):
    """Any callable that makes a number >= 0 of the answers of one pair, more for what is worse."""

    def __call__(self, control: Any, candidate: Any, /) -> Any:
        """Return how far the candidate's answer lies from the control's."""


#: What stands for infinitely far apart, and for everything beyond. Sums and means of it stay finite.
MAX_SCORE = 1e9

# Floats carry 15 to 17 digits; a score of theirs keeps 12, and what a few roundings did is gone.
_DIGITS = 12


def measure(score: ScoreFunction, control: object, candidate: object) -> float:
    """Return the score of one pair of answers by any score function, as a finite float >= 0.

    Raises UnusableScoreError: its own as it is, of kind `failed` for whatever else the function raises, and of kind
    `not_a_score` for what is no finite number >= 0 (a bool is none).
    """
    try:
        value = score(control, candidate)
    except UnusableScoreError:
        raise
    except Exception as error:
        raise UnusableScoreError(f"the score function raised {type(error).__name__}", Unusable.FAILED) from error
    if type(value) is float and 0.0 <= value < math.inf:  # as almost all are
        return value
    try:
        return check_score(value, "the score")
    except InvalidArgumentError as error:
        if type(value) is CoroutineType:
            value.close()  # it would warn, somewhere else, that nobody awaited it
        raise UnusableScoreError(str(error), Unusable.NOT_A_SCORE) from error


def as_score(value: Fraction, *, exact: bool) -> float:
    """Return an exact number >= 0 as a score: the nearest float, at most MAX_SCORE.

    `exact`: whether no float went into it. Then 0.0 means zero and nothing else. If one did, it is first rounded to
    12 decimal places, above 1 to 12 significant digits: the rounding of two floats makes an error that is relative
    to 1 + score, not to the score.
    """
    if value >= MAX_SCORE:
        return MAX_SCORE
    if not exact:
        return as_rounded(value.numerator, value.denominator)
    return max(float(value), math.ulp(0.0)) if value else 0.0


def as_rounded(numerator: int, denominator: int) -> float:
    """Return a ratio >= 0 rounded to 12 decimal places, above 1 to 12 significant digits; halves to even."""
    places = _DIGITS - (len(str(numerator // denominator)) if numerator >= denominator else 0)
    scale: int = 10**places
    rounded, rest = divmod(numerator * scale, denominator)
    if 2 * rest > denominator or (2 * rest == denominator and rounded % 2):
        rounded += 1
    return rounded / scale


def shown(value: object) -> str:
    """Show an answer in an error message, whatever it is and however long it would print."""
    try:
        return clean_text(str.__str__(reprlib.repr(value)), 120)
    except Exception:  # noqa: BLE001  the message matters more than a broken repr
        return f"<{type(value).__name__}>"
