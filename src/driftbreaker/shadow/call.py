"""One admitted call, on its way."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

from .comparison import Answer, ComparisonKind, NoAnswerError, Side, Why
from .contained import close_quietly, is_the_users, unfinished

Function = Callable[..., Any]


class Call:
    """What one call may do, and how far it has come.

    - `alone`: whether the control serves and nothing else is done. `kind`: why no comparison is made of it, where
      that has a name.
    - `done`, `value`: whether the caller has an answer, and which; `answer`: the same with its seconds, for later.
    - `began`: whether the one that serves was called. `error`: what the control raised, where that is its caller's.
    - `candidate`: what it answered where it was to serve and could not.
    - `compares`: whether a comparison is owed, and not counted yet. `waits`: whether its thread only waits for another.

    Plain attributes, set without a call, so that an answer survives whatever breaks around it.
    """

    __slots__ = (
        "alone",
        "answer",
        "args",
        "began",
        "candidate",
        "compares",
        "done",
        "error",
        "generation",
        "key",
        "kind",
        "kwargs",
        "own_args",
        "own_kwargs",
        "schema_checked",
        "schema_failed",
        "scope",
        "served",
        "started",
        "value",
        "waits",
        "why",
    )

    def __init__(
        self,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        scope: str,
        generation: int | None,
        key: str | None,
        served: Side,
        why: Why,
        *,
        compares: bool,
    ) -> None:
        self.args = self.own_args = args
        self.kwargs = self.own_kwargs = kwargs
        self.scope = scope
        self.generation = generation
        self.key = key
        self.served = served
        self.why = why
        self.compares = compares
        self.alone = self.began = self.done = self.waits = self.schema_checked = self.schema_failed = False
        self.answer: Answer | None = None
        self.candidate: Answer | None = None
        self.value: Any = None
        self.error: BaseException | None = None
        self.kind: ComparisonKind | None = None
        self.started = 0.0

    def arguments(self, side: Side) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return what a side is called with: the candidate may have arguments of its own."""
        return (self.args, self.kwargs) if side == "control" else (self.own_args, self.own_kwargs)

    def begin(self) -> None:
        """Note that the one that serves is called now."""
        self.began = True
        self.started = perf_counter()

    def answered(self) -> Answer:
        """Return the answer of the one that served."""
        return Answer(self.value, None, perf_counter() - self.started)

    def hand_over(self, why: Why) -> None:
        """Let the control serve in the candidate's stead."""
        self.served = "control"
        self.why = why

    def skip(self) -> None:
        """Let whoever is to serve do so, and compare nothing."""
        self.compares = False
        self.kind = ComparisonKind.SKIPPED
        self.alone = self.served == "control"

    def stand_back(self, why: Why, kind: ComparisonKind | None = None) -> Call:
        """Let the control serve alone."""
        self.hand_over(why)
        self.alone = True
        self.kind = kind
        return self

    def is_interrupted(self, error: BaseException) -> bool:
        """Return whether an error that arrives around the two is the host's: this call, or the program, is to end.

        What candidate and hooks raise never comes here. So what is no Exception came out of a signal handler, or closes
        or cancels a coroutine; and while nothing but a lock is waited for, so did every other.
        """
        return not isinstance(error, Exception) or (self.waits and not isinstance(error, (RecursionError, MemoryError)))

    def sides(self, served: Answer | None, beside: Answer | None) -> tuple[Answer | None, Answer | None]:
        """Return the answers as control's and candidate's."""
        return (served, beside or self.candidate) if self.served == "control" else (beside, served)


def attempt(
    function: Function,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    contained: type[BaseException] = BaseException,
) -> Answer:
    """Call a function and return what it answered or raised; the user's Ctrl-C goes on to the caller.

    `contained`: what else does not. The control's SystemExit is its caller's, at once.
    """
    started = perf_counter()
    try:
        value = function(*args, **kwargs)
    except contained as error:
        if is_the_users(error):
            raise
        return Answer(None, error, perf_counter() - started)
    return Answer(value, None, perf_counter() - started)


def finished(answer: Answer) -> Answer:
    """Return an answer that nobody else has; one that is yet to be run is an error."""
    words = unfinished(answer.value)
    if words is None:
        return answer
    close_quietly(answer.value)  # a coroutine would warn that nobody awaited it
    return Answer(None, NoAnswerError(f"answered with {words}"), answer.seconds)
