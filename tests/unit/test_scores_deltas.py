"""Scores of two numbers: exact where the answers are, free of noise where they are floats, never silent."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal, localcontext
from fractions import Fraction
from numbers import Complex
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from driftbreaker.errors import InvalidArgumentError
from driftbreaker.model import Verdict
from driftbreaker.policy import judge
from driftbreaker.scores import (
    MAX_SCORE,
    Unusable,
    UnusableScoreError,
    measure,
    relative_delta,
    symmetric_delta,
)
from driftbreaker.scores.quick import Ratio, relative_of_floats
from driftbreaker.scores.quick import relative as relative_of_any
from tests.support.odd import HOSTILES, ODD

relative, symmetric = relative_delta(), symmetric_delta()
Score = Callable[[object, object], float]
both_deltas = pytest.mark.parametrize("score", [relative, symmetric], ids=["relative", "symmetric"])

PRICES = st.floats(1e-12, 1e6)
TOKENS = st.integers(1, 10_000_000)
EXACT = st.one_of(
    st.integers(-(10**30), 10**30),
    st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20),
    st.fractions(-(10**9), 10**9, max_denominator=10**9),
)
UNITS, HALVES = st.integers(-(10**12), 10**12), st.sampled_from([0.0, 0.4999, 0.5, 0.5001])
FLOATS = st.floats(-1e100, 1e100, allow_subnormal=False)


class OnlyFloat:
    """What NumPy's scalars are to those who do not know NumPy."""

    def __init__(self, value: float) -> None:
        self.value = value

    def __float__(self) -> float:
        return self.value


class OnlyReal(OnlyFloat):
    """What NumPy's complex numbers are: they convert, and lose half of what they say."""


Complex.register(OnlyReal)


class str_(OnlyFloat, str):  # noqa: N801  NumPy's name for its text, which converts as well
    pass


class bool_(OnlyFloat):  # noqa: N801  NumPy's name for its truth values
    pass


def kind_of(score: Score, control: object, candidate: object) -> Unusable:
    with pytest.raises(UnusableScoreError) as raised:
        score(control, candidate)
    return raised.value.kind


@given(PRICES, TOKENS, st.sampled_from([0.01, 0.05, 0.1, 0.2, 0.25, 0.5, 1.0, 2.0]))
def test_floats_that_lie_on_the_threshold_score_exactly_the_threshold(price: float, tokens: int, part: float) -> None:
    cost = tokens * price
    assert relative(cost, cost * (1 + part)) == part
    assert relative(cost, tokens * (price * (1 + part))) == part
    if part < 1:
        assert relative(cost, cost * (1 - part)) == part


@given(PRICES, TOKENS, PRICES, TOKENS)
def test_sums_of_floats_that_lie_on_the_threshold_score_exactly_the_threshold(
    per_input: float, prompt: int, per_output: float, answer: int
) -> None:
    control = prompt * per_input + answer * per_output
    candidate = prompt * (per_input * 1.2) + answer * (per_output * 1.2)
    assert relative(control, candidate) == 0.2
    assert relative(control / 1e6, candidate / 1e6) == 0.2


@given(st.decimals("1e-12", "1e6", places=12), TOKENS)
def test_decimals_that_lie_on_the_threshold_score_exactly_the_threshold(price: Decimal, tokens: int) -> None:
    cost = tokens * price
    assert relative(cost, cost * Decimal("1.2")) == 0.2
    assert relative(Fraction(cost), cost * Decimal("1.2")) == 0.2
    assert relative(float(cost), cost * Decimal("1.2")) == 0.2
    assert relative(cost, float(cost) * 1.2) == 0.2


def test_bare_floats_disagree_where_these_scores_do_not() -> None:
    prices = [cents / 100 for cents in range(1, 2_001)]
    bare = [abs(price * 1.2 - price) / price > 0.2 for price in prices]
    assert 300 < sum(bare) < 1_700, "the case is real"
    assert {relative(price, price * 1.2) for price in prices} == {0.2}


@given(EXACT, EXACT)
def test_exact_answers_score_the_nearest_float_of_the_exact_ratio(control: Any, candidate: Any) -> None:
    a, b = Fraction(control), Fraction(candidate)
    assume(a)
    ratio = abs(b - a) / abs(a)
    score = relative(control, candidate)
    assert score == (MAX_SCORE if ratio > MAX_SCORE else float(ratio))
    assert (score == 0) is (a == b)


@given(EXACT, EXACT)
def test_the_symmetric_score_is_symmetric_and_at_most_two(one: Any, other: Any) -> None:
    score = symmetric(one, other)
    assert score == symmetric(other, one)
    assert 0 <= score <= 2
    assert (score == 0) is (Fraction(one) == Fraction(other))
    if one >= 0 and other >= 0:
        assert score <= 1


@given(FLOATS, FLOATS)
def test_floats_score_within_half_a_unit_of_the_twelfth_place(control: float, candidate: float) -> None:
    assume(control)
    ratio = abs(Fraction(candidate) - Fraction(control)) / abs(Fraction(control))
    assume(ratio < MAX_SCORE)
    assert abs(Fraction(relative(control, candidate)) - ratio) <= (1 + 10 * ratio) * Fraction(51, 10**14)


PARTS = st.one_of(st.floats(-2.0, 2.0), st.builds(lambda units, half: (units + half) / 1e12, UNITS, HALVES))


@given(st.floats(-1e300, 1e300), PARTS, st.sampled_from([0.0, 1.0, 0.5, 1.0000000000000002, 3.0]))
@example(1.0, 0.5e-12, 0.0)
@example(1.0, -1.0, 0.0)
@example(5e-324, 1.0, 0.0)
@example(6e-322, 0.2, 0.0)
@example(1e300, -2.0, 1.0)
def test_floats_that_are_scored_as_floats_score_what_whole_numbers_say(
    control: float, part: float, floor: float
) -> None:
    """Where rounding could tell the two apart, floats do not answer."""
    candidate, least = control + control * part, abs(control) * floor
    quickly = relative_of_floats(control, candidate, least)
    exactly = relative_of_any(control, candidate, Ratio(*Fraction(repr(least)).as_integer_ratio()))
    assert quickly in (None, exactly)


def test_almost_all_prices_are_scored_as_floats() -> None:
    prices = [cents / 100 for cents in range(1, 2_001)]
    scores = [relative_of_floats(price, price * 1.2, 0.0) for price in prices]
    assert scores == [0.2] * len(prices)


@given(FLOATS, FLOATS, FLOATS)
def test_a_candidate_farther_away_never_scores_less(control: float, near: float, far: float) -> None:
    near, far = sorted((near, far), key=lambda each: abs(Fraction(each) - Fraction(control)))
    assert relative(control, near) <= relative(control, far)


@given(st.sampled_from([Decimal, Fraction, float]), st.integers(1, 10**6), st.integers(-(10**6), 10**6))
def test_unit_and_sign_of_both_do_not_matter(number: Any, control: int, candidate: int) -> None:
    expected = relative(number(control), number(candidate))
    assert relative(number(-control), number(-candidate)) == expected
    assert relative(number(control) / 4, number(candidate) / 4) == expected


def test_decimals_tell_apart_what_floats_cannot() -> None:
    near = Decimal("1.0000000000000000000000001")
    assert relative(Decimal(1), near) == 1e-25
    assert relative(1, Decimal("1e-1190") + 1) == 0.0, "the context rounds before we see it"
    with localcontext(prec=1_000):
        assert relative(1, 1 + Decimal("1e-900")) == math.ulp(0.0), "no float is as small, but it is not 0"
    assert relative(1.0, near) == 0.0
    assert judge(relative(Decimal(1), near), 0.0) is Verdict.BAD


def test_floats_differ_from_half_of_the_twelfth_place_on() -> None:
    assert relative(1.0, 1 + 4e-13) == 0.0
    assert relative(1.0, 1 + 6e-13) == 1e-12
    assert relative(1.0, 4.23456789012345) == 3.23456789012
    assert relative(0.1 + 0.2, 0.3) == 0.0
    assert relative(0.1, Decimal("0.1")) == 0.0


@both_deltas
def test_zero_beside_zero_is_good(score: Score) -> None:
    for zero in (0, 0.0, -0.0, Decimal(0), Decimal("-0E+999999"), Fraction(0)):
        assert score(zero, 0) == score(0, zero) == 0.0


def test_anything_beside_a_control_of_zero_is_as_far_as_can_be() -> None:
    for candidate in (1, -1, 1e-300, Decimal("1e-1000"), 10**400):
        assert relative(0, candidate) == relative(-0.0, candidate) == MAX_SCORE
        assert symmetric(0, candidate) == symmetric(candidate, 0) == 1.0
    assert relative(5, 0) == 1.0


def test_a_control_of_zero_scores_what_it_is_told_to() -> None:
    assert relative_delta(zero=1.5)(0, 3) == 1.5
    assert relative_delta(zero=1.5)(0, 0) == 0.0
    assert relative_delta(zero=1.5)(1, 3) == 2.0
    assert kind_of(relative_delta(zero=None), 0, 3) is Unusable.ZERO_CONTROL
    assert relative_delta(zero=None)(0, 0) == 0.0


def test_a_floor_is_the_least_denominator() -> None:
    relative, symmetric = relative_delta(floor=0.01), symmetric_delta(floor=Decimal("0.01"))
    assert relative(0, Decimal("0.002")) == symmetric(0, Decimal("0.002")) == 0.2, "a float means what it prints"
    assert relative(Decimal("0.001"), Decimal("0.003")) == 0.2
    assert symmetric(Decimal("0.001"), Decimal("-0.001")) == 0.2
    assert relative(Decimal("0.02"), Decimal("0.03")) == 0.5, "above it, the control counts"
    assert relative_delta(floor=10, zero=None)(0, 5) == 0.5, "with a floor there is no zero to divide by"
    assert relative(0, 0) == symmetric(0, 0) == 0.0


def test_signs_count() -> None:
    assert relative(5, -5) == relative(-5, 5) == symmetric(5, -5) == 2.0
    assert relative(-10, -12) == 0.2
    assert symmetric(-10, -8) == 0.2
    assert relative(1, -3) == 4.0


@both_deltas
def test_an_answer_that_is_missing_on_one_side_is_as_far_as_can_be(score: Score) -> None:
    for answer in (0, 1, 0.5, Decimal(3)):
        assert score(None, answer) == score(answer, None) == MAX_SCORE
    assert score(None, None) == 0.0


@both_deltas
@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf, *map(Decimal, ("nan", "snan", "inf"))], ids=repr)
def test_nan_and_infinity_are_refused_on_either_side(score: Score, odd: Any) -> None:
    for pair in ((1, odd), (odd, 1), (odd, odd), (0, odd), (None, odd), (odd, None), (OnlyFloat(float(1)), odd)):
        assert kind_of(score, *pair) is Unusable.NOT_FINITE


@both_deltas
@pytest.mark.parametrize(
    "odd",
    [True, False, "1", b"1", "", 1j, [], [1], {}, object(), bool_(1.0), float, str_(1.0), OnlyReal(1.0)],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
def test_what_is_no_number_is_refused_on_either_side(score: Score, odd: Any) -> None:
    for pair in ((1, odd), (odd, 1), (odd, odd), (None, odd), (odd, None)):
        assert kind_of(score, *pair) is Unusable.NOT_A_NUMBER


@both_deltas
def test_an_error_names_side_and_value(score: Score) -> None:
    with pytest.raises(UnusableScoreError, match=r"the candidate must be a number, got 'x{10,}.*'"):
        score(1, "x" * 10_000)
    with pytest.raises(UnusableScoreError, match=r"the control must be finite, got nan"):
        score(math.nan, math.nan)


def test_what_only_converts_to_a_float_is_one() -> None:
    assert relative(OnlyFloat(0.1), OnlyFloat(0.1 * 1.2)) == 0.2
    assert relative(Decimal("0.1"), OnlyFloat(0.1 + 1e-17)) == 0.0
    assert kind_of(relative, 1, OnlyFloat(math.nan)) is Unusable.NOT_FINITE
    assert kind_of(relative, 1, OnlyFloat("1")) is Unusable.NOT_A_NUMBER  # type: ignore[arg-type]


def test_integers_beyond_floats_are_compared_exactly() -> None:
    assert relative(10**400, 12 * 10**399) == 0.2
    assert relative(10**400, 10**400 + 1) == math.ulp(0.0)
    assert relative(1, 10**400) == MAX_SCORE
    assert relative(10**400, 1.0) == 1.0
    assert relative(Decimal("1e-900"), Decimal("1.2e-900")) == 0.2


@both_deltas
@pytest.mark.parametrize(
    "wide",
    [
        10**1_300,
        -(10**1_300),
        10**10_000,
        Fraction(1, 10**1_300),
        *map(Decimal, ("1e999999", "1e-999999", "9" * 1_300, "9" * 1_300 + "e-700")),
    ],
    ids=lambda value: type(value).__name__,
)
def test_numbers_too_wide_to_be_worth_it_are_refused(score: Score, wide: Any) -> None:
    for pair in ((1, wide), (wide, 1), (wide, wide)):
        assert kind_of(score, *pair) is Unusable.TOO_LARGE


def test_no_score_lies_beyond_the_largest() -> None:
    assert relative(1e-300, 1e300) == relative(Decimal("1e-300"), 1) == MAX_SCORE
    assert relative(1, 10**9) == 999_999_999.0
    assert relative(1, 10**9 + 1) == relative(1, 10**9 + 2) == MAX_SCORE
    assert math.isfinite(MAX_SCORE * 1e12)


@both_deltas
@given(ODD, ODD)
@example(0, 5e-324)
def test_whatever_the_answers_are_there_is_a_score_or_an_error_of_ours(score: Score, one: Any, other: Any) -> None:
    try:
        found = score(one, other)
    except UnusableScoreError:
        return
    assert type(found) is float
    assert 0 <= found <= MAX_SCORE
    assert measure(score, one, other) == found


@both_deltas
@pytest.mark.parametrize("place", range(len(HOSTILES)))
def test_hostile_answers_are_refused_or_scored(score: Score, place: int) -> None:
    for pair in ((1, HOSTILES[place]), (HOSTILES[place], 1)):
        with suppress(UnusableScoreError):
            assert 0 <= score(*pair) <= MAX_SCORE


@pytest.mark.parametrize("floor", [-1, -0.1, math.nan, math.inf, "1", True, None, 10**1_300])
def test_a_floor_must_be_a_number_of_zero_or_more(floor: Any) -> None:
    for factory in (relative_delta, symmetric_delta):
        with pytest.raises(InvalidArgumentError, match="floor"):
            factory(floor=floor)


@pytest.mark.parametrize("zero", [0, -1, math.nan, math.inf, "1", True])
def test_the_score_beside_zero_cannot_be_good(zero: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="zero"):
        relative_delta(zero=zero)


ORDINARY = st.one_of(
    FLOATS,
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(),
    st.decimals(allow_nan=False, allow_infinity=False),
)


@given(ORDINARY, ORDINARY, st.one_of(st.just(0), st.integers(0, 10**6), st.decimals(0, 1000, places=6)))
@example(1.0, 1.2, 0)
@example(0.0, 1e-300, 0)
@example(1e-9, 1.0, 0)
@example(5, 5.0000000000005, 0)
@example(Decimal("1e-40"), Decimal("1e40"), Decimal("1e-40"))
def test_ordinary_numbers_score_as_they_do_by_fractions(control: Any, candidate: Any, floor: Any) -> None:
    assert relative_delta(floor=floor)(control, candidate) == by_fractions(control, candidate, Fraction(floor))


def by_fractions(control: Any, candidate: Any, floor: Fraction) -> float:
    """The definition, written out."""

    def read(answer: Any) -> Fraction:
        return Fraction(Decimal(repr(answer))) if isinstance(answer, float) else Fraction(answer)

    one, other = read(control), read(candidate)
    least = max(abs(one), floor)
    if not least:
        return MAX_SCORE if other else 0.0
    value = abs(other - one) / least
    if value >= MAX_SCORE:
        return MAX_SCORE
    if isinstance(control, float) or isinstance(candidate, float):
        return float(round(value, 12 - (len(str(math.floor(value))) if value >= 1 else 0)))
    return max(float(value), math.ulp(0.0)) if value else 0.0
