"""The order of things, once for functions and coroutines: each flow asks its driver for one step after the other.

A step is an `Ask` and the side that it is about; the driver sends back what came of it:

- ``SERVE``: call it for the caller, whose errors it raises. Back comes the answer.
- ``TRY``: call it, with no limit, for its answer or its error.
- ``RUN``: the same, within the budget; None where there is no room for it.
- ``START``, ``WAIT``: the same in two steps, between which others run.
- ``LATER``: run and settle it when the caller has its answer. Back comes whether there is room for that.

A driver that gives up closes the flow; what was started it forgets.
"""

from __future__ import annotations

from collections.abc import Generator
from enum import Enum
from typing import Any

from .call import Call
from .comparison import Answer, Comparison, ComparisonKind, Side, Why
from .core import Core


class Ask(Enum):
    """What a flow asks for."""

    SERVE = 0
    TRY = 1
    RUN = 2
    START = 3
    WAIT = 4
    LATER = 5


# Members of an enum cost more to look up than a name of the module, and this is a hot path.
SERVE, TRY, RUN, START, WAIT, LATER = Ask

Step = tuple[Ask, Side]
Flow = Generator[Step, Any, Comparison]


def flow_of(core: Core, call: Call) -> Flow:
    """Return the flow of an admitted call."""
    return guarded(core, call) if core.options.serve == "candidate" else direct(core, call)


def direct(core: Core, call: Call) -> Flow:
    """Let one of the two serve untouched, and run the other beside it."""
    first = call.served
    other: Side = "candidate" if first == "control" else "control"
    # Without a score a candidate that serves needs no control: that it answered is all there is to say.
    beside = core.options.beside if call.compares and (first == "control" or core.options.score) else ""
    room = (yield START, other) if beside == "thread" else True
    served = yield SERVE, first
    if call.served != first:  # there was no thread for it
        return core.settle(call, served, None, ComparisonKind.SKIPPED)
    if not call.compares:
        return core.unjudged(call, served)
    if not beside:
        return core.settle(call, None, served)
    return (yield from _compared(core, call, served, other, room))


def guarded(core: Core, call: Call) -> Flow:
    """Let the candidate serve, and the control where it cannot."""
    together = bool(call.compares and core.options.score and core.options.beside == "thread")
    control = None
    if together:
        room = yield START, "candidate"
        control = yield TRY, "control"
        answer = (yield WAIT, "candidate") if room else None
    else:
        answer = yield RUN, "candidate"
    answer = core.checked(call, answer) if answer is not None else None
    why = core.why_not(call, answer)
    if answer is not None and why is None:
        return (yield from _kept(core, call, answer, control))
    call.hand_over(why or Why.NO_ROOM)
    core.tally.fell_back()
    return (yield from _fallen_back(core, call, answer, control))


def _kept(core: Core, call: Call, answer: Answer, control: Answer | None) -> Flow:
    """Serve the candidate's answer; compare it, where that was decided."""
    call.value, call.done = answer.value, True
    if not call.compares:
        return core.unjudged(call, answer)
    if control is not None or core.options.score is None:
        return core.settle(call, control, answer)
    return (yield from _compared(core, call, answer, "control", room=True))


def _fallen_back(core: Core, call: Call, answer: Answer | None, control: Answer | None) -> Flow:
    """Serve the control's answer, and note what became of the candidate."""
    call.candidate = answer
    if control is None:
        control = yield SERVE, "control"
    elif control.error is None:
        call.value, call.done = control.value, True
    if not call.compares:
        return core.unjudged(call, control)
    if control.error is None:
        return core.settle(call, control, answer)
    call.began, call.error = True, control.error  # which is the caller's, whatever breaks now
    return core.settle(call, control, answer)


def _compared(core: Core, call: Call, served: Answer, other: Side, room: object) -> Flow:
    """Run the other beside the one that served, and settle the pair."""
    beside = core.options.beside
    answer = None
    if beside == "background":
        call.answer = served
        if (yield LATER, other):
            return core.unjudged(call, served)
    elif room:
        answer = yield (WAIT if beside == "thread" else RUN), other
    if answer is None:
        return core.settle(call, *call.sides(served, None), ComparisonKind.SKIPPED)
    return core.settle(call, *call.sides(served, answer))
