"""The main job over real prices and real traffic: at exactly which observation does it trip?

The expected number is computed a second time, with exact fractions straight from prices and token counts, and
pinned as a literal. `DRIFTBREAKER_DATA` names the folder of the larger data sets: Azure's LLM request traces
(`azure-llm-2023/`, CC-BY 4.0, Patel et al., "Splitwise", ISCA 2024) and the dated price changes of tokencost
(`llm-prices/tokencost_price_changes.csv`, MIT). Without it, only what is installed is tested.
"""

import csv
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TextIO

import pytest
from sqlalchemy.orm import Session, sessionmaker

from driftbreaker import BreakerSettings
from driftbreaker.cli.demo.estimators import Estimator
from driftbreaker.cli.demo.job import run
from driftbreaker.cli.demo.request import Request
from driftbreaker.cli.demo.stream import FIRST_DAY
from driftbreaker.cli.demo.stream import requests as made_up_requests

SETTINGS = BreakerSettings(failure_threshold=3, drift_threshold=0.2, warning_threshold=0.15, ttl=timedelta(hours=24))
DATA = os.environ.get("DRIFTBREAKER_DATA")

# The traffic that arrives before a dated change takes effect, and how much arrives in all.
BEFORE_CHANGE, REQUESTS = 500, 1_000

Prices = tuple[str, str]


def first_of_three_in_a_row(pairs: Iterable[tuple[Fraction, Fraction]]) -> int | None:
    """Return the observation that completes three scores above a fifth, in exact arithmetic."""
    streak = 0
    for number, (control, candidate) in enumerate(pairs, start=1):
        streak = streak + 1 if abs(candidate - control) > control / 5 else 0
        if streak == 3:
            return number
    return None


def exact_cost(request: Request, prices: Prices) -> Fraction:
    return request.input_tokens * Fraction(prices[0]) + request.output_tokens * Fraction(prices[1])


Estimate = Callable[[Request], Decimal]
Costs = Callable[[Request], tuple[Fraction, Fraction]]


@dataclass(frozen=True)
class Scene:
    """Traffic, the two estimators under test, and both costs of a request in exact arithmetic."""

    traffic: list[Request]
    control: Estimate
    candidate: Estimate
    exact: Costs


# USD per million input and output tokens, before and from the day of the change, as the providers published.
PUBLISHED: dict[str, tuple[Prices, Prices, date]] = {
    "gpt-5.6-luna": (("1", "6"), ("0.2", "1.2"), date(2026, 7, 30)),
    "gpt-5.6-terra": (("2.5", "15"), ("2", "12"), date(2026, 7, 30)),
    "claude-sonnet-4-6": (("3", "15"), ("3", "15"), date(2026, 3, 13)),
    "mistral-medium-latest": (("0.4", "2"), ("1.5", "7.5"), date(2026, 6, 16)),
}


@dataclass(frozen=True)
class MadeUpTraffic:
    """The demo's traffic over the dated prices of genai-prices."""

    seed: int
    observation: int | None

    def __str__(self) -> str:
        return f"genai-prices-seed-{self.seed}"

    def scene(self) -> Scene:
        traffic = list(made_up_requests(252, self.seed))
        return Scene(traffic, Estimator(as_of=FIRST_DAY), Estimator(), self._exact)

    @staticmethod
    def _exact(request: Request) -> tuple[Fraction, Fraction]:
        before, after, day = PUBLISHED[request.model]
        in_force = after if request.at.date() >= day else before
        return exact_cost(request, before), exact_cost(request, in_force)


@dataclass(frozen=True)
class RealTraffic:
    """A real trace across a real dated price change. The control never hears of the change."""

    trace: str
    day: str
    model: str
    observation: int | None

    def __str__(self) -> str:
        return f"azure-{self.trace}-{self.model}-{self.day}"

    def scene(self) -> Scene:
        changed_at, old, new = price_change(self.day, self.model)

        def in_force(request: Request) -> Prices:
            return new if request.at >= changed_at else old

        def exact(request: Request) -> tuple[Fraction, Fraction]:
            return exact_cost(request, old), exact_cost(request, in_force(request))

        traffic = arriving_around(changed_at, self.model, self.trace)
        return Scene(traffic, in_floats(lambda _: old), in_floats(in_force), exact)


MADE_UP = [
    MadeUpTraffic(seed=3, observation=108),
    MadeUpTraffic(seed=5, observation=197),
    MadeUpTraffic(seed=10, observation=210),
    MadeUpTraffic(seed=14, observation=237),
    MadeUpTraffic(seed=23, observation=170),
]
REAL = [
    RealTraffic("conv", "2025-06-11", "o3", 503),
    RealTraffic("conv", "2024-05-14", "openrouter/meta-llama/llama-3-70b-instruct", 536),
    RealTraffic("conv", "2024-09-06", "meta.llama3-8b-instruct-v1:0", 604),
    RealTraffic("code", "2024-06-05", "mistral/mistral-tiny", 506),
    RealTraffic("code", "2024-10-13", "command-r-plus", 576),
    RealTraffic("code", "2024-10-13", "databricks/databricks-mpt-7b-instruct", 765),
    RealTraffic("code", "2024-06-30", "groq/llama3-70b-8192", None),
    # Cheaper by exactly a fifth: in floats, rounding noise puts many of its scores above the threshold.
    RealTraffic("conv", "2025-03-01", "claude-3-5-haiku-20241022", None),
]


@cache
def trace(kind: str) -> list[tuple[datetime, int, int]]:
    with _open(f"azure-llm-2023/AzureLLMInferenceTrace_{kind}.csv") as lines:
        rows = list(islice(csv.DictReader(lines), REQUESTS))
    return [
        (
            datetime.fromisoformat(row["TIMESTAMP"]).replace(tzinfo=UTC),
            int(row["ContextTokens"]),
            int(row["GeneratedTokens"]),
        )
        for row in rows
    ]


@cache
def price_change(day: str, model: str) -> tuple[datetime, Prices, Prices]:
    with _open("llm-prices/tokencost_price_changes.csv") as lines:
        (row,) = (
            row
            for row in csv.DictReader(lines)
            if row["model"] == model and row["committed_at"].startswith(day) and row["previous"]
        )
    old_input, old_output = row["previous"].split("/")
    new = (row["input_usd_per_mtok"], row["output_usd_per_mtok"])
    return datetime.fromisoformat(row["committed_at"]), (old_input, old_output), new


def _open(name: str) -> TextIO:
    assert DATA is not None
    return (Path(DATA) / name).open(encoding="utf-8", newline="")


def arriving_around(instant: datetime, model: str, kind: str) -> list[Request]:
    """Return the trace, moved as a whole so that its first BEFORE_CHANGE requests arrive before `instant`."""
    rows = trace(kind)
    shift = instant - rows[BEFORE_CHANGE][0]
    return [Request(at + shift, "any", model, prompt, answer) for at, prompt, answer in rows]


def in_floats(prices: Callable[[Request], Prices]) -> Estimate:
    """Return an estimator that rounds as binary floats do, and hands its noise on."""

    def cost(request: Request) -> Decimal:
        per_input, per_output = map(float, prices(request))
        return Decimal((request.input_tokens * per_input + request.output_tokens * per_output) / 1e6)

    return cost


# Data sets that are not there leave no test behind, not even a skipped one.
@pytest.mark.parametrize("case", [*MADE_UP, *(REAL if DATA else [])], ids=str)
def test_the_job_trips_at_the_exact_observation(
    sessions: sessionmaker[Session], case: MadeUpTraffic | RealTraffic
) -> None:
    scene = case.scene()

    result = run(sessions, scene.traffic, scene.control, scene.candidate, SETTINGS)

    assert result.tripped_at == first_of_three_in_a_row(map(scene.exact, scene.traffic)) == case.observation
    assert result.by_candidate == (case.observation or len(scene.traffic))
