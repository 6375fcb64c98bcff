"""Two tables of what language models cost: February's, which bills today, and April's, which is to replace it."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum


class Model(StrEnum):
    """What a request may ask for; few enough to have a breaker each."""

    GPT_4O = "gpt-4o"
    SONNET = "claude-3-5-sonnet"
    GEMINI = "gemini-1.5-pro"
    MISTRAL = "mistral-small-latest"


Table = dict[Model, tuple[Decimal, Decimal]]

# US dollars per million input and output tokens, as published in 2025. In March one of them changed.
FEBRUARY: Table = {
    Model.GPT_4O: (Decimal("2.50"), Decimal("10")),
    Model.SONNET: (Decimal("3"), Decimal("15")),
    Model.GEMINI: (Decimal("1.25"), Decimal("5")),
    Model.MISTRAL: (Decimal("1"), Decimal("3")),
}
APRIL: Table = FEBRUARY | {Model.MISTRAL: (Decimal("0.10"), Decimal("0.30"))}

MTOK = Decimal(1_000_000)


def price(table: Table, model: Model, input_tokens: int, output_tokens: int) -> Decimal:
    """Return what a request costs, in dollars with all their digits: not in cents, which hide most of it."""
    per_input, per_output = table[model]
    return (input_tokens * per_input + output_tokens * per_output) / MTOK


def february(model: Model, input_tokens: int, output_tokens: int) -> Decimal:
    """Price by V1, the control."""
    return price(FEBRUARY, model, input_tokens, output_tokens)


def april(model: Model, input_tokens: int, output_tokens: int) -> Decimal:
    """Price by V2, the candidate."""
    return price(APRIL, model, input_tokens, output_tokens)
