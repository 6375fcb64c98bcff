"""The nouns: what the two answered, what became of the pair, and how often."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, NamedTuple

from ..model import Verdict

Side = Literal["control", "candidate"]


class ComparisonKind(StrEnum):
    """What became of one pair.

    `compared`: there is a score. `failed`, `timed_out`: the candidate raised or is no function that answers, or took
    longer than its budget. `schema_error`: its answer has the wrong shape. `unusable`: the answers have no score.
    `score_failed`: the score function raised, or returned no score. `control_failed`: the control raised, so that
    there is nothing to compare with. `not_isolated`: the arguments could not be copied. `skipped`: there was no room
    for it, or the board has read nothing yet. `no_scope`: the call has no usable scope. `abandoned`: the caller was
    cancelled or interrupted meanwhile.
    """

    COMPARED = "compared"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    SCHEMA_ERROR = "schema_error"
    UNUSABLE = "unusable"
    SCORE_FAILED = "score_failed"
    CONTROL_FAILED = "control_failed"
    NOT_ISOLATED = "not_isolated"
    SKIPPED = "skipped"
    NO_SCOPE = "no_scope"
    ABANDONED = "abandoned"


class Why(StrEnum):
    """Why the one that served did."""

    SERVES = "it serves"
    OPEN = "the breaker is open"
    CLOSED = "the breaker is closed"
    FAILED = "the candidate failed"
    TIMED_OUT = "the candidate timed out"
    SCHEMA_ERROR = "the candidate's answer has the wrong shape"
    NOT_ISOLATED = "the arguments could not be copied"
    NO_SCOPE = "the call has no usable scope"
    NO_ROOM = "there was no room for the candidate"


class OutOfTimeError(TimeoutError):
    """The candidate took longer than its budget; it was cancelled, or is left to itself in its thread."""


class NoAnswerError(TypeError):
    """The candidate answered with a coroutine or a generator: nobody runs it, and there is nothing to compare."""


# Tuples, for some are made on each sampled request, and frozen dataclasses take three times as long.


class Answer(NamedTuple):
    """What one of the two answered: a value or an error, and the seconds that it took."""

    value: Any
    error: BaseException | None
    seconds: float


class Comparison(NamedTuple):
    """One call: who served it and why, what both answered, and what was made of the pair.

    - `served`: ``"control"`` or ``"candidate"``; `why`: a `Why`, text for people.
    - `kind`: what became of the pair; None where none was made (not sampled, or the breaker is open) or where it
      is still being made in the background.
    - `score`, `verdict`: None where there is none.
    - `control`, `candidate`: their answers; None for one that did not run, or still runs.
    - `generation`: the breaker's when the call was admitted. `key`: what it was sampled by.
    """

    name: str
    scope: str
    served: Side
    why: Why
    kind: ComparisonKind | None
    score: float | None
    verdict: Verdict | None
    control: Answer | None
    candidate: Answer | None
    generation: int | None
    key: str | None

    @property
    def answer(self) -> Any:
        """What the caller got."""
        served = self.control if self.served == "control" else self.candidate
        return None if served is None else served.value

    @property
    def is_mismatch(self) -> bool:
        """Whether it counts against the candidate."""
        return self.verdict is Verdict.BAD


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What became of a shadow's calls in this process.

    - `kinds`: how many comparisons of each kind; `good`, `bad`, `inconclusive`: by their verdicts.
    - `fallbacks`: how often the control served because a candidate that was to serve could not, sampled or not.
    - `report_failures`, `hook_failures`: how often the reporter, or a `key`, `scope`, `redact` or `publish` function
      or a listener of yours, raised.
    - `broken`: how often comparing itself broke, for want of stack or memory.
    """

    kinds: Mapping[ComparisonKind, int] = field(default_factory=dict)
    good: int = 0
    bad: int = 0
    inconclusive: int = 0
    fallbacks: int = 0
    report_failures: int = 0
    hook_failures: int = 0
    broken: int = 0

    def __getitem__(self, kind: str) -> int:
        """Return how many comparisons were of a kind: ``counts["failed"]``."""
        return self.kinds.get(ComparisonKind(kind), 0)
