"""Score functions of any kind: calling them, equality, rates, and the error that all of them raise."""

from __future__ import annotations

import math
import pickle
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import driftbreaker
from driftbreaker import DriftbreakerError, InvalidArgumentError
from driftbreaker.scores import (
    ScoreFunction,
    Unusable,
    UnusableScoreError,
    difference_of_rates,
    equality,
    measure,
    relative_delta,
)
from tests.support.odd import HOSTILES, HostileError, hostile

NAN = math.nan


class Array:
    """Compares as NumPy's arrays do."""

    def __eq__(self, _: object) -> Any:
        return [True, True]

    __hash__ = None  # type: ignore[assignment]


class bool_:  # noqa: N801  NumPy's name for its truth values
    def __init__(self, value: bool) -> None:
        self.value = value

    def __bool__(self) -> bool:
        return self.value


def kind_of(score: ScoreFunction, control: object = 1, candidate: object = 1) -> Unusable:
    with pytest.raises(UnusableScoreError) as raised:
        score(control, candidate)
    return raised.value.kind


def test_the_error_is_ours_a_value_error_and_no_argument_of_the_hosts() -> None:
    assert driftbreaker.UnusableScoreError is UnusableScoreError
    assert issubclass(UnusableScoreError, DriftbreakerError)
    assert issubclass(UnusableScoreError, ValueError)
    assert not issubclass(UnusableScoreError, InvalidArgumentError)


def test_the_error_keeps_its_kind_on_the_way_to_another_process() -> None:
    error = pickle.loads(pickle.dumps(UnusableScoreError("no", Unusable.NOT_FINITE)))  # noqa: S301
    assert (str(error), error.kind) == ("no", "not_finite")
    assert UnusableScoreError("what a host raises").kind is Unusable.FAILED


@pytest.mark.parametrize("value", [0, 3, 0.5, Decimal("0.5"), Fraction(1, 2), 1e300, -0.0])
def test_any_callable_that_returns_a_number_is_a_score_function(value: Any) -> None:
    score = measure(lambda _control, _candidate: value, 1, 2)
    assert type(score) is float
    assert score == value


def test_a_score_function_is_handed_control_and_candidate_in_this_order() -> None:
    assert measure(lambda control, candidate: candidate - control, 3, 10) == 7.0


@pytest.mark.parametrize("value", [-1, -1e-9, NAN, math.inf, True, False, None, "0.5", [0.5], 10**400, 1j])
def test_what_is_no_score_is_an_error(value: Any) -> None:
    assert kind_of(lambda *_: measure(lambda *_: value, 1, 2)) is Unusable.NOT_A_SCORE


def test_what_cannot_even_be_looked_at_is_no_score() -> None:
    assert kind_of(lambda *_: measure(lambda *_: HOSTILES[0], 1, 2)) is Unusable.NOT_A_SCORE


def test_a_score_function_that_raises_is_an_error_with_its_cause() -> None:
    with pytest.raises(UnusableScoreError, match="raised ZeroDivisionError") as raised:
        measure(lambda control, candidate: candidate / control, 0, 1)
    assert raised.value.kind is Unusable.FAILED
    assert isinstance(raised.value.__cause__, ZeroDivisionError)


def test_a_score_functions_own_error_stays_what_it_is() -> None:
    assert kind_of(lambda *pair: measure(relative_delta(), *pair), 1, NAN) is Unusable.NOT_FINITE


def test_what_ends_a_process_is_not_swallowed() -> None:
    def interrupted(*_: object) -> float:
        raise KeyboardInterrupt

    for score in (lambda *pair: measure(interrupted, *pair), equality(equal=interrupted)):
        with pytest.raises(KeyboardInterrupt):
            score(1, 1)


@pytest.mark.parametrize(
    ("control", "candidate", "expected"),
    [
        ("a", "a", 0.0),
        ("a", "b", 1.0),
        (None, None, 0.0),
        (None, 0, 1.0),
        (1, 1.0, 0.0),
        (1, True, 0.0),
        (1, "1", 1.0),
        (0.1, Decimal("0.1"), 1.0),
        ({"a": [1]}, {"a": [1]}, 0.0),
        (NAN, NAN, 1.0),
        ([NAN], [NAN], 0.0),  # one object: a list asks for identity first
        ([NAN], [float("nan")], 1.0),
    ],
)
def test_equality_is_what_python_calls_equal(control: Any, candidate: Any, expected: float) -> None:
    assert equality()(control, candidate) == expected
    assert type(equality()(control, candidate)) is float


def test_equality_by_any_other_rule() -> None:
    score = equality(equal=lambda control, candidate: candidate.startswith(control))
    assert (score("a", "abc"), score("abc", "a")) == (0.0, 1.0)
    strict = equality(equal=lambda a, b: type(a) is type(b) and a == b)
    assert (strict(1, True), strict(1, 1)) == (1.0, 0.0)
    assert equality(equal=lambda *_: bool_(value=True))(1, 2) == 0.0
    assert equality(equal=lambda *_: bool_(value=False))(1, 1) == 1.0


def test_a_comparison_that_decides_nothing_is_an_error() -> None:
    assert kind_of(equality(), Array(), Array()) is Unusable.UNDECIDED
    for answer in (None, 0, 1, "yes", [], NotImplemented):
        assert kind_of(equality(equal=lambda *_, answer=answer: answer)) is Unusable.UNDECIDED


def test_a_comparison_that_raises_is_an_error_with_its_cause() -> None:
    odd = hostile("Hostile", object)()
    with pytest.raises(UnusableScoreError, match="raised HostileError") as raised:
        equality()(odd, 1)
    assert raised.value.kind is Unusable.FAILED
    assert isinstance(raised.value.__cause__, HostileError)
    one: list[object] = []
    other: list[object] = []
    one.append(one)
    other.append(other)
    assert kind_of(equality(), one, other) is Unusable.FAILED, "Python's == gives up on cycles"


def test_equality_hands_on_an_error_of_ours() -> None:
    assert kind_of(equality(equal=relative_delta()), 1, "a") is Unusable.NOT_A_NUMBER


@pytest.mark.parametrize("equal", [None, 1, "eq"])
def test_equality_needs_something_to_call(equal: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="equal must be callable"):
        equality(equal=equal)


COUNTS = st.integers(1, 10**12).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials)))


@given(COUNTS, COUNTS)
def test_rates_differ_by_percentage_points_exactly(one: tuple[int, int], other: tuple[int, int]) -> None:
    score = difference_of_rates()
    assert score(one, other) == float(abs(Fraction(*one) - Fraction(*other)))
    assert score(one, other) == score(other, one) <= 1


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_rates_that_lie_on_the_threshold_score_exactly_the_threshold(some: int, others: int) -> None:
    assert difference_of_rates()((some, 10 * some), (3 * others, 10 * others)) == 0.2


def test_a_rate_needs_its_trials() -> None:
    assert kind_of(difference_of_rates(), (0, 0), (0, 1)) is Unusable.TOO_FEW
    assert kind_of(difference_of_rates(), (0, 1), (0, 0)) is Unusable.TOO_FEW
    assert kind_of(difference_of_rates(least=30), (3, 29), (3, 30)) is Unusable.TOO_FEW
    assert difference_of_rates(least=30)((3, 30), [6, 30]) == 0.1  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "odd", [None, 3, (1,), (1, 2, 3), (2, 1), (-1, 1), (0.5, 1), ("0", 1), (True, 1), (NAN, 1), (0, 10**20), "01", {}]
)
def test_what_is_no_rate_is_an_error(odd: Any) -> None:
    assert kind_of(difference_of_rates(), odd, (0, 1)) is Unusable.NOT_A_NUMBER
    assert kind_of(difference_of_rates(), (0, 1), odd) is Unusable.NOT_A_NUMBER


@pytest.mark.parametrize("least", [0, -1, 1.5, True, "1"])
def test_the_least_trials_are_a_count(least: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="least"):
        difference_of_rates(least=least)
