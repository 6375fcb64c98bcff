"""Two tables of what language models cost: June's, which bills today, and July's, which is to replace it."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum


class Model(StrEnum):
    """What a request may ask for; few enough to have a breaker each."""

    GPT_41 = "gpt-4.1"
    O3 = "o3"
    SONNET = "claude-sonnet-4"
    GEMINI = "gemini-2.5-pro"


Table = dict[Model, tuple[Decimal, Decimal]]

# US dollars per million input and output tokens, as the providers published them. On 2025-06-11 one of them changed.
JUNE: Table = {
    Model.GPT_41: (Decimal("2"), Decimal("8")),
    Model.O3: (Decimal("10"), Decimal("40")),
    Model.SONNET: (Decimal("3"), Decimal("15")),
    Model.GEMINI: (Decimal("1.25"), Decimal("10")),
}
JULY: Table = JUNE | {Model.O3: (Decimal("2"), Decimal("8"))}

MTOK = Decimal(1_000_000)


def price(table: Table, model: Model, input_tokens: int, output_tokens: int) -> Decimal:
    """Return what a request costs, in dollars with all their digits: not in cents, which hide most of it."""
    per_input, per_output = table[model]
    return (input_tokens * per_input + output_tokens * per_output) / MTOK


def june(model: Model, input_tokens: int, output_tokens: int) -> Decimal:
    """Price by V1, the control."""
    return price(JUNE, model, input_tokens, output_tokens)


def july(model: Model, input_tokens: int, output_tokens: int) -> Decimal:
    """Price by V2, the candidate."""
    return price(JULY, model, input_tokens, output_tokens)
