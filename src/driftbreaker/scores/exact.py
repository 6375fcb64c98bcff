"""Reads answers as exact numbers."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from numbers import Complex, Rational, Real
from typing import NamedTuple, SupportsFloat, cast

from ..errors import Unusable, UnusableScoreError
from .measuring import shown

# Wide enough for the least and the largest float; beyond it, arithmetic costs more than an answer is worth.
MAX_DIGITS = 1_200
_MAX_BITS = 4_096  # some more than that many digits
# NumPy's truth values are told by name: this room imports no library.
_TRUTHS = ("bool", "bool_")


class Amount(NamedTuple):
    """A number, and whether it is exact: all but floats are."""

    value: Fraction
    exact: bool


def read(answer: object, side: str) -> Amount:
    """Read an answer as a number; `side` names it in errors.

    int, Decimal and Fraction are exact. A float is the shortest decimal that reads as it. What else converts itself
    with ``__float__`` is a float; truth values, text and complex numbers are none.
    Raises UnusableScoreError of kind `not_a_number`, `not_finite`, or `too_large` beyond 1,200 digits.
    """
    try:
        return _read(answer, side)
    except UnusableScoreError:
        raise
    except Exception as error:
        raise UnusableScoreError(
            f"the {side} must be a number, got {shown(answer)}: reading it raised {type(error).__name__}",
            Unusable.NOT_A_NUMBER,
        ) from error


def is_truth(value: object) -> bool:
    """Return whether a value is True or False, NumPy's included."""
    return type(value).__name__ in _TRUTHS


def _read(answer: object, side: str) -> Amount:
    if isinstance(answer, Decimal):
        return Amount(_from_decimal(answer, side), exact=True)
    if _is_no_number(answer):
        raise UnusableScoreError(
            f"the {side} must be a number, got {shown(answer)}: convert it, or score it with equality()",
            Unusable.NOT_A_NUMBER,
        )
    if isinstance(answer, Rational):
        return Amount(_from_ratio(int(answer.numerator), int(answer.denominator), side), exact=True)
    return Amount(_from_float(float(cast("SupportsFloat", answer)), side), exact=False)


def _is_no_number(answer: object) -> bool:
    """Return whether an answer is none, though it may have ``__float__``, as NumPy gives to all that it has."""
    is_complex = isinstance(answer, Complex) and not isinstance(answer, Real)
    return (
        is_truth(answer)
        or is_complex
        or isinstance(answer, (str, bytes))
        or not isinstance(answer, (SupportsFloat, Rational))
    )


def _from_decimal(answer: Decimal, side: str) -> Fraction:
    if not answer.is_finite():
        raise _not_finite(answer, side)
    if not answer:
        return Fraction(0)
    _, digits, exponent = answer.as_tuple()
    # Before it is written out: 1e999999999 takes ten bytes as a Decimal and 400 MB as an integer.
    if max(len(digits) + int(exponent), len(digits), -int(exponent)) > MAX_DIGITS:
        raise _too_large(side)
    return Fraction(answer)


def _from_float(answer: float, side: str) -> Fraction:
    if not math.isfinite(answer):
        raise _not_finite(answer, side)
    return Fraction(Decimal(repr(answer)))


def _from_ratio(numerator: int, denominator: int, side: str) -> Fraction:
    if max(numerator.bit_length(), denominator.bit_length()) > _MAX_BITS:
        raise _too_large(side)
    return Fraction(numerator, denominator)


def _not_finite(answer: object, side: str) -> UnusableScoreError:
    return UnusableScoreError(f"the {side} must be finite, got {shown(answer)}", Unusable.NOT_FINITE)


def _too_large(side: str) -> UnusableScoreError:
    return UnusableScoreError(f"the {side} has more than {MAX_DIGITS:,} digits: round it first", Unusable.TOO_LARGE)
