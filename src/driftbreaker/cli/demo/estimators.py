"""Two cost estimators over the real, dated prices of genai-prices, and the score of a pair of answers."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from genai_prices import Usage, calc_price

from driftbreaker import scores
from driftbreaker.cli.demo.request import Request

# Few enough tokens to stay in the first tier of every model, many enough to keep the price's digits.
_SAMPLE_TOKENS = 1_000
_MTOK = Decimal(1_000_000)


# A candidate that charges where the control is free lies as far away as a free one does from a control that charges.
relative_delta = scores.relative_delta(zero=1.0)


@dataclass(frozen=True, slots=True)
class Estimator:
    """Prices a request with the table in force on a fixed day, or (`as_of=None`) on the request's own day."""

    as_of: date | None = None

    def __call__(self, request: Request) -> Decimal:
        """Return the cost of the request in US dollars."""
        at = request.at if self.as_of is None else _midnight(self.as_of)
        return _cost(request.provider, request.model, request.input_tokens, request.output_tokens, at)


@dataclass(frozen=True, slots=True)
class Price:
    """What a million tokens cost, in US dollars."""

    input_usd: Decimal
    output_usd: Decimal


@dataclass(frozen=True, slots=True)
class PriceChange:
    """A day on which a model's price changed."""

    day: date
    model: str
    before: Price
    after: Price


def price_changes(models: Iterable[tuple[str, str]], first: date, last: date) -> list[PriceChange]:
    """Return every change of the (provider, model) pairs' prices after `first`, up to and with `last`."""
    pairs = list(models)
    days = [first + timedelta(days=n) for n in range(1, (last - first).days + 1)]
    found = []
    for day in days:
        for provider, model in pairs:
            before, after = (_price(provider, model, d) for d in (day - timedelta(days=1), day))
            if before != after:
                found.append(PriceChange(day, model, before, after))
    return found


def _price(provider: str, model: str, day: date) -> Price:
    at = _midnight(day)
    per_token = _MTOK / _SAMPLE_TOKENS
    return Price(
        _cost(provider, model, _SAMPLE_TOKENS, 0, at) * per_token,
        _cost(provider, model, 0, _SAMPLE_TOKENS, at) * per_token,
    )


def _cost(provider: str, model: str, input_tokens: int, output_tokens: int, at: datetime) -> Decimal:
    usage = Usage(input_tokens=input_tokens, output_tokens=output_tokens)
    return calc_price(usage, model, provider_id=provider, genai_request_timestamp=at).total_price


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)
