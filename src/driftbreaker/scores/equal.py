"""Two answers of any kind: equal or not."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from ..checks import check_callable
from ..errors import Unusable, UnusableScoreError
from .exact import is_truth
from .measuring import shown


def equality(*, equal: Callable[[Any, Any], object] = operator.eq) -> Callable[[object, object], float]:
    """Make the score function that is 0.0 for equal answers and 1.0 for others.

    `equal`: called with control and candidate; ``==`` unless told otherwise, with what Python makes of it: ``1``,
    ``1.0`` and ``True`` are equal, NaN is not equal to itself (but a list that holds one is). Raises
    InvalidArgumentError when it cannot be called.
    The function raises UnusableScoreError of kind `failed` when `equal` raises, and `undecided` when it answers
    neither True nor False, as arrays do.
    """
    check_callable(equal, "equal")

    def score(control: object, candidate: object) -> float:
        answer = _asked(equal, control, candidate)
        if not is_truth(answer):
            raise UnusableScoreError(
                f"comparing {shown(control)} with {shown(candidate)} answered {shown(answer)}, which is neither True "
                "nor False: give equality() an `equal` that decides",
                Unusable.UNDECIDED,
            )
        return 0.0 if answer else 1.0

    return score


def _asked(equal: Callable[[Any, Any], object], control: object, candidate: object) -> object:
    try:
        return equal(control, candidate)
    except UnusableScoreError:
        raise
    except Exception as error:
        raise UnusableScoreError(
            f"comparing {shown(control)} with {shown(candidate)} raised {type(error).__name__}", Unusable.FAILED
        ) from error
