"""What kind of function one is, and which two go together."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from ..checks import check_callable
from ..errors import InvalidArgumentError

_COROUTINE = inspect.CO_COROUTINE
_GENERATORS = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR
_ODD = _COROUTINE | _GENERATORS | inspect.CO_ITERABLE_COROUTINE


def is_awaited(control: Callable[..., Any], candidate: Callable[..., Any]) -> bool:
    """Return whether a call of the two is a coroutine.

    Asked with every call, and so of the flags first. Raises InvalidArgumentError for what cannot be compared.
    """
    try:
        if not (control.__code__.co_flags | candidate.__code__.co_flags) & _ODD:
            return False
    except AttributeError:  # no plain functions
        pass
    return _is_awaited(control, candidate)


def is_coroutine_function(function: Callable[..., Any]) -> bool:
    """Return whether calling something makes a coroutine: a function, a partial of one, or an object's `__call__`."""
    called = getattr(type(function), "__call__", None)  # noqa: B004  which it is, not whether it is there
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(called)


def _is_awaited(control: Callable[..., Any], candidate: Callable[..., Any]) -> bool:
    for what, function in (("control", control), ("candidate", candidate)):
        check_callable(function, what)
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise InvalidArgumentError(
                f"the {what} is a generator function: its answer is made piece by piece and cannot be compared; "
                "wrap it in a function that returns all of it"
            )
    if is_coroutine_function(control):
        return True
    if is_coroutine_function(candidate):
        raise InvalidArgumentError(
            "the control is a plain function and the candidate a coroutine function, which nobody would await: "
            "make the control a coroutine function, or the candidate a plain one"
        )
    return False
