"""What a report says of a pair: how it went, never what was asked or answered."""

from __future__ import annotations

from typing import Any

from .comparison import Comparison, ComparisonKind, NoAnswerError, OutOfTimeError


def evidence(comparison: Comparison) -> dict[str, Any]:
    """Return what may be kept of any pair: kinds, numbers, and where an error was raised.

    Neither the answers nor an error's message: both may be personal, and an incident is read by third parties.
    """
    found: dict[str, Any] = {"kind": comparison.kind and comparison.kind.value, "served": comparison.served}
    if comparison.score is not None:
        found["score"] = comparison.score
    for side, answer in (("control", comparison.control), ("candidate", comparison.candidate)):
        if answer is None:
            continue
        found[f"{side}_seconds"] = round(answer.seconds, 6)
        if answer.error is not None and type(answer.error) is not OutOfTimeError:
            found[f"{side}_error"] = kind_of(answer.error)
            found[f"{side}_raised_at"] = where_raised(answer.error)
    return found


def sentence(comparison: Comparison, budget: float) -> str | None:
    """Return the reason of an incident that this pair makes; None where its score says it all."""
    if comparison.kind is ComparisonKind.FAILED:
        error = None if comparison.candidate is None else comparison.candidate.error
        return f"Candidate {error}" if type(error) is NoAnswerError else f"Candidate raised {kind_of(error)}"
    if comparison.kind is ComparisonKind.TIMED_OUT:
        return f"Candidate took longer than {budget:g} s"
    if comparison.kind is ComparisonKind.UNUSABLE:
        return "Candidate's answer cannot be compared with the control's"
    return None


def kind_of(error: object) -> str:
    """Return what an error is called, with its module where that is not Python itself."""
    kind = type(error)
    module = kind.__module__
    return kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"


def where_raised(error: BaseException) -> str | None:
    """Return the module, function and line that raised an error; None where it was never raised."""
    trace = error.__traceback__
    if trace is None:
        return None
    while trace.tb_next is not None:
        trace = trace.tb_next
    code = trace.tb_frame.f_code
    module = trace.tb_frame.f_globals.get("__name__", "?")
    return f"{module}.{code.co_qualname}:{trace.tb_lineno}"
