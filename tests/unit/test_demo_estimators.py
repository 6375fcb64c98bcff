from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from driftbreaker import UnusableScoreError
from driftbreaker.cli.demo.estimators import Estimator, Price, PriceChange, price_changes, relative_delta
from driftbreaker.cli.demo.request import Request

LUNA = ("openai", "gpt-5.6-luna")
CUT_DAY = date(2026, 7, 30)


def request_at(*when: int) -> Request:
    return Request(datetime(*when, tzinfo=UTC), *LUNA, input_tokens=1_000, output_tokens=500)


@pytest.mark.parametrize(
    ("control", "candidate", "score"),
    [
        ("0.004", "0.004", 0.0),
        ("0.004", "0.015", 2.75),
        ("0.015", "0.003", 0.8),
        ("2.5", "2.0", 0.2),
        ("0.004", "0", 1.0),
    ],
)
def test_score_is_the_difference_in_parts_of_the_control(control: str, candidate: str, score: float) -> None:
    assert relative_delta(Decimal(control), Decimal(candidate)) == score


def test_two_free_answers_agree() -> None:
    assert relative_delta(Decimal(0), Decimal(0)) == 0.0


def test_a_charge_where_the_control_is_free_scores_one_and_never_infinity() -> None:
    assert relative_delta(Decimal(0), Decimal("0.000001")) == 1.0


@pytest.mark.parametrize("cost", ["NaN", "Infinity"])
def test_a_cost_that_is_none_is_refused(cost: str) -> None:
    with pytest.raises(UnusableScoreError):
        relative_delta(Decimal(1), Decimal(cost))
    with pytest.raises(UnusableScoreError):
        relative_delta(Decimal(cost), Decimal(1))


def test_candidate_follows_the_price_on_the_day_it_changes_and_control_does_not() -> None:
    control, candidate = Estimator(as_of=date(2026, 6, 1)), Estimator()
    eve, morning = request_at(2026, 7, 29, 23, 59, 59), request_at(2026, 7, 30)
    old, new = (
        Decimal("0.004"),
        Decimal("0.0008"),
    )  # 1,000 x 1 + 500 x 6, then 1,000 x 0.2 + 500 x 1.2, per Mtok

    assert [candidate(eve), candidate(morning)] == [old, new]
    assert [control(eve), control(morning)] == [old, old]


def test_price_changes_finds_each_change_once_with_both_prices() -> None:
    steady = ("anthropic", "claude-sonnet-4-6")
    before, after = Price(Decimal(1), Decimal(6)), Price(Decimal("0.2"), Decimal("1.2"))

    assert price_changes([LUNA, steady], date(2026, 7, 1), date(2026, 8, 24)) == [
        PriceChange(CUT_DAY, LUNA[1], before, after)
    ]


def test_price_changes_leaves_out_the_first_day_and_counts_the_last() -> None:
    assert price_changes([LUNA], CUT_DAY, date(2026, 8, 24)) == []
    assert len(price_changes([LUNA], date(2026, 7, 29), CUT_DAY)) == 1
