"""How far two answers lie apart: score functions. Pure: they are handed a control's and a candidate's answer.

A score function is any callable ``(control, candidate)`` that returns a finite number >= 0, more for what is worse;
`BreakerSettings.drift_threshold` says from where on it is bad. What cannot be scored raises `UnusableScoreError`,
never a score that reads as good.
"""

from ..errors import Unusable, UnusableScoreError
from .deltas import relative_delta, symmetric_delta
from .equal import equality
from .fields import field_by_field
from .measuring import MAX_SCORE, ScoreFunction, measure
from .rates import difference_of_rates

__all__ = [
    "MAX_SCORE",
    "ScoreFunction",
    "Unusable",
    "UnusableScoreError",
    "difference_of_rates",
    "equality",
    "field_by_field",
    "measure",
    "relative_delta",
    "symmetric_delta",
]
