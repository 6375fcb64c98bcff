"""Ordinary numbers: the same scores as by fractions, in a fraction of the time.

Floats are reckoned with as floats wherever it is certain that the rounding hides it; all others in whole numbers.

Scores are made on hot paths, and almost all answers are plain floats, ints or Decimals of a few digits.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import NamedTuple

from .measuring import MAX_SCORE, as_rounded

_MAX_DIGITS = 40
_MAX_INT = 2**128
_MAX_SCORE = int(MAX_SCORE)  # a float would not hold it times a wide number

#: What a score below 1 is rounded to: 12 decimal places.
_SCALE = 1e12
#: How close to the middle between two of those a score may lie, in their unit, before floats cannot tell its side.
#:
#: The shortest decimal that reads as a float lies within u = 2**-53 of it, in parts of it; each operation adds as much.
#: For a candidate below twice the larger of control and floor, the difference is wrong by at most 4u of that, the
#: quotient by 6u, and times 10**12 that is less than 0.001.
_UNSURE = 0.01
#: Where floats are as dense as that, and nothing overflows.
_LEAST, _MOST = 1e-290, 1e290


class Ratio(NamedTuple):
    """A number as numerator and denominator, the latter > 0."""

    numerator: int
    denominator: int


def ratio_of(answer: object) -> Ratio | None:
    """Return an ordinary number as it reads; None for whatever has to be looked at more closely."""
    kind = type(answer)
    if kind is float:
        # As the shortest decimal that reads as it.
        return Ratio(*Decimal(repr(answer)).as_integer_ratio()) if math.isfinite(answer) else None  # type: ignore[arg-type]
    if kind is int:
        return Ratio(answer, 1) if -_MAX_INT < answer < _MAX_INT else None  # type: ignore[arg-type, operator]
    if kind is Decimal:
        return _of_decimal(answer)  # type: ignore[arg-type]
    return None


def _of_decimal(answer: Decimal) -> Ratio | None:
    _, digits, exponent = answer.as_tuple()
    if type(exponent) is not int or abs(exponent) > _MAX_DIGITS or len(digits) > _MAX_DIGITS:
        return None
    return Ratio(*answer.as_integer_ratio())


def relative_of_floats(control: float, candidate: float, floor: float) -> float | None:
    """Return |candidate - control| / max(|control|, floor) as rounded; None where floats are not sure of it."""
    size = control if control >= 0.0 else -control
    if size < floor:
        size = floor
    if not _LEAST < size < _MOST:
        return None
    scaled = abs(candidate - control) / size * _SCALE
    if not scaled < _SCALE:
        return None
    whole = int(scaled)
    rest = scaled - whole
    if abs(rest - 0.5) < _UNSURE:
        return None
    return (whole + (rest > 0.5)) / _SCALE


def relative(control: object, candidate: object, floor: Ratio) -> float | None:
    """Return |candidate - control| / max(|control|, floor); None for what is not ordinary."""
    one, other = ratio_of(control), ratio_of(candidate)
    if one is None or other is None:
        return None
    apart = abs(other.numerator * one.denominator - one.numerator * other.denominator)
    size = abs(one.numerator)
    if size * floor.denominator < floor.numerator * one.denominator:
        apart, least = apart * floor.denominator, floor.numerator * one.denominator * other.denominator
    else:
        least = size * other.denominator
    if not least:
        return None
    return _scored(apart, least, exact=type(control) is not float and type(candidate) is not float)


def _scored(numerator: int, denominator: int, *, exact: bool) -> float:
    if numerator >= _MAX_SCORE * denominator:
        return MAX_SCORE
    if not exact:
        return as_rounded(numerator, denominator)
    return max(numerator / denominator, math.ulp(0.0)) if numerator else 0.0
