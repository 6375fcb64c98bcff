"""Scores of real costs: what lies exactly on a threshold, and what rounding to cents hides.

`DRIFTBREAKER_DATA` names the folder of the data sets: Azure's LLM request traces (`azure-llm-2023/`, CC-BY 4.0, Patel
et al., "Splitwise", ISCA 2024), the costs of its requests under two price tables (`llm-prices/`, MIT) and the prices of
real provider responses (`genai-prices/`, MIT). Without it there is nothing here to test.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import pytest

from driftbreaker.model import Verdict
from driftbreaker.policy import judge
from driftbreaker.scores import relative_delta

DATA = os.environ.get("DRIFTBREAKER_DATA")

THRESHOLD = 0.2
# USD per million input and output tokens: both cheaper by exactly a fifth, as published on 2025-02-11.
BEFORE, AFTER = ("1", "5"), ("0.8", "4")

Row = dict[str, str]
score = relative_delta()


def rows(name: str) -> Iterator[Row]:
    assert DATA is not None
    with (Path(DATA) / name).open(encoding="utf-8", newline="") as lines:
        yield from csv.DictReader(lines)


def requests(trace: str) -> list[tuple[int, int]]:
    found = rows(f"azure-llm-2023/AzureLLMInferenceTrace_{trace}.csv")
    return [(int(row["ContextTokens"]), int(row["GeneratedTokens"])) for row in found]


def per_token(number: Callable[[str], Any], prompt: int, answer: int, prices: tuple[str, str]) -> Any:
    per_input, per_output = (number(price) / number("1000000") for price in prices)
    return prompt * per_input + answer * per_output


def per_million(number: Callable[[str], Any], prompt: int, answer: int, prices: tuple[str, str]) -> Any:
    return (prompt * number(prices[0]) + answer * number(prices[1])) / number("1000000")


def naive(control: float, candidate: float) -> float:
    return abs(candidate - control) / control


def cents(cost: Decimal) -> int:
    return int((cost * 100).to_integral_value(ROUND_HALF_UP))


# Data sets that are not there leave no test behind, not even a skipped one.
if DATA:

    @pytest.mark.parametrize(
        ("trace", "cost", "above", "among"),
        [
            ("conv", per_token, 7_706, 19_366),
            ("conv", per_million, 6_030, 19_366),
            ("code", per_token, 1_016, 8_819),
            ("code", per_million, 1_656, 8_819),
        ],
    )
    def test_one_answer_for_all_requests_at_exactly_the_threshold(
        trace: str, cost: Callable[..., Any], above: int, among: int
    ) -> None:
        traffic = requests(trace)
        assert len(traffic) == among
        in_floats = [[cost(float, *request, prices) for prices in (BEFORE, AFTER)] for request in traffic]
        assert sum(naive(*pair) > THRESHOLD for pair in in_floats) == above, "bare floats give two answers"
        assert {score(*pair) for pair in in_floats} == {THRESHOLD}
        in_decimals = [[cost(Decimal, *request, prices) for prices in (BEFORE, AFTER)] for request in traffic]
        assert {score(*pair) for pair in in_decimals} == {THRESHOLD}
        assert {score(one[0], other[1]) for one, other in zip(in_decimals, in_floats, strict=True)} == {THRESHOLD}
        assert judge(THRESHOLD, THRESHOLD) is Verdict.GOOD

    def test_one_answer_for_the_rows_of_a_price_table_that_differs_by_exactly_a_fifth() -> None:
        found = [row for row in rows("llm-prices/price_drift_rows.csv") if row["model"] == "claude-3-5-haiku-latest"]
        pairs = [(row["v1_usd"], row["v2_usd"]) for row in found]
        assert len(pairs) == 400
        assert sum(naive(float(control), float(candidate)) > THRESHOLD for control, candidate in pairs) == 133
        assert {score(float(control), float(candidate)) for control, candidate in pairs} == {THRESHOLD}
        assert {score(Decimal(control), Decimal(candidate)) for control, candidate in pairs} == {THRESHOLD}

    def test_all_other_real_rows_get_the_verdict_of_exact_arithmetic() -> None:
        found = list(rows("llm-prices/price_drift_rows.csv"))
        assert len(found) == 17_600
        exact = [score(Decimal(row["v1_usd"]), Decimal(row["v2_usd"])) for row in found]
        floats = [score(float(row["v1_usd"]), float(row["v2_usd"])) for row in found]
        assert [each > THRESHOLD for each in exact] == [each > THRESHOLD for each in floats]
        assert max(abs(one - other) / max(one, 1) for one, other in zip(exact, floats, strict=True)) < 1e-11
        assert sum(each > THRESHOLD for each in exact) == 2_400

    def test_cents_hide_most_of_the_drift() -> None:
        """The numbers that docs/scores.md gives."""
        prices = [
            Decimal(row["input_price"] or 0) + Decimal(row["output_price"] or 0)
            for row in rows("genai-prices/usages_flat.csv")
        ]
        assert (sum(cents(price) == 0 for price in prices), len(prices)) == (2_995, 3_474)
        pairs = [[per_million(Decimal, *request, each) for each in (BEFORE, AFTER)] for request in requests("conv")]
        assert sum(cents(control) == 0 for control, _ in pairs) == 19_162
        assert sum(score(*map(cents, pair)) == 0 for pair in pairs) == 19_206
        in_micro_dollars = [[int((each * 1_000_000).to_integral_value()) for each in pair] for pair in pairs]
        assert all(abs(score(*pair) - THRESHOLD) < 0.01 for pair in in_micro_dollars)
