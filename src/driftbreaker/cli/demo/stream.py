"""A seeded stream of requests that marches over the days of real price changes."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from driftbreaker.cli.demo.request import Request

FIRST_DAY = date(2026, 6, 1)
DAYS = 84

# A prompt of a page and an answer of a paragraph, with the long right tail that real traffic has.
_INPUT_LOG_MEAN, _INPUT_LOG_DEVIATION = 6.6, 0.9
_OUTPUT_LOG_MEAN, _OUTPUT_LOG_DEVIATION = 5.2, 0.8
_MOST_TOKENS = 100_000


@dataclass(frozen=True, slots=True)
class Share:
    """A model's part of the traffic."""

    provider: str
    model: str
    weight: float


# One model that changes early but is rare (its drift alone must not trip a rule of three in a row), one
# that changes by exactly the threshold, one whose change is real drift in most of the traffic, one steady.
MIX = (
    Share("openai", "gpt-5.6-luna", 0.50),
    Share("anthropic", "claude-sonnet-4-6", 0.25),
    Share("openai", "gpt-5.6-terra", 0.18),
    Share("mistral", "mistral-medium-latest", 0.07),
)


def requests(count: int, seed: int) -> Iterator[Request]:
    """Yield `count` requests in order of time, the same ones for the same seed."""
    rng = random.Random(seed)
    start = datetime.combine(FIRST_DAY, time(), tzinfo=UTC)
    step = timedelta(days=DAYS) / count
    weights = [share.weight for share in MIX]
    for index in range(count):
        share = rng.choices(MIX, weights)[0]
        yield Request(
            at=start + step * (index + rng.random()),
            provider=share.provider,
            model=share.model,
            input_tokens=_tokens(rng, _INPUT_LOG_MEAN, _INPUT_LOG_DEVIATION),
            output_tokens=_tokens(rng, _OUTPUT_LOG_MEAN, _OUTPUT_LOG_DEVIATION),
        )


def _tokens(rng: random.Random, log_mean: float, log_deviation: float) -> int:
    return min(max(round(rng.lognormvariate(log_mean, log_deviation)), 1), _MOST_TOKENS)
