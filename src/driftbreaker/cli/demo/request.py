"""What an estimator is asked to price."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Request:
    """One request to a language model: when, which model, how many tokens."""

    at: datetime
    provider: str
    model: str
    input_tokens: int
    output_tokens: int
