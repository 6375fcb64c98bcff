"""What one score means beside a threshold."""

from __future__ import annotations

import math

from ..model import Verdict

# Two price tables that differ by exactly 20 % put a third of their rows a rounding error above 0.2.
ROUNDING = 1e-9


def judge(score: float, threshold: float) -> Verdict:
    """Return BAD iff `score` lies above `threshold`; equality up to a relative 1e-9 is GOOD, always."""
    return Verdict.BAD if score > threshold and not _equal(score, threshold) else Verdict.GOOD


def reaches(score: float, threshold: float) -> bool:
    """Return whether `score` is at or above `threshold`, equality up to a relative 1e-9 included."""
    return score >= threshold or _equal(score, threshold)


def warns(score: float, warning: float | None, threshold: float) -> bool:
    """Return whether a score that is not bad deserves a warning: at or above `warning`.

    A warning threshold at or above the threshold means no warnings, not even for a score that equals both.
    """
    if warning is None or reaches(warning, threshold):
        return False
    return reaches(score, warning) and judge(score, threshold) is Verdict.GOOD


def _equal(score: float, threshold: float) -> bool:
    return math.isclose(score, threshold, rel_tol=ROUNDING, abs_tol=0.0)
