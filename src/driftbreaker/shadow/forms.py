"""What kind of function one is, and which two go together."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from ..checks import check_callable, looks
from ..errors import InvalidArgumentError
from .contained import is_the_users

_COROUTINE = inspect.CO_COROUTINE
_ODD = _COROUTINE | inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR | inspect.CO_ITERABLE_COROUTINE


def is_awaited(control: Callable[..., Any]) -> bool:
    """Return whether a call is a coroutine, because its control makes one.

    Asked with every call, and so of the flags first; and never of the candidate, which may be anything: that is its own
    failure. Raises InvalidArgumentError for a control that nothing can be compared with.
    """
    try:
        flags = control.__code__.co_flags & _ODD
    except Exception:  # noqa: BLE001  no plain function, and perhaps nothing that can be asked
        return _is_awaited(control)
    if not flags:
        return False
    return flags == _COROUTINE or _is_awaited(control)


def check_pair(control: Callable[..., Any], candidate: Callable[..., Any]) -> None:
    """Raise InvalidArgumentError for two that do not go together."""
    check_callable(candidate, "candidate")
    _check_whole(candidate, "candidate")
    if not is_awaited(control) and is_coroutine_function(candidate):
        raise InvalidArgumentError(
            "the control is a plain function and the candidate a coroutine function, which nobody would await: "
            "make the control a coroutine function, or the candidate a plain one"
        )


def check_plain(function: Callable[..., Any], what: str) -> None:
    """Raise InvalidArgumentError for a function that would only be begun when it is called."""
    if is_coroutine_function(function):
        raise InvalidArgumentError(f"{what} must be a plain function, and is a coroutine function")
    if _is_generator_function(function):
        raise InvalidArgumentError(f"{what} must be a plain function, and is a generator function")


def is_coroutine_function(function: Callable[..., Any]) -> bool:
    """Return whether calling something makes a coroutine: a function, a partial of one, or an object's `__call__`."""
    try:
        called = getattr(type(function), "__call__", None)  # noqa: B004  which it is, not whether it is there
        return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(called)
    except BaseException as error:  # one that cannot be asked is a plain one, until it answers
        if is_the_users(error):
            raise
        return False


def _is_awaited(control: Callable[..., Any]) -> bool:
    check_callable(control, "control")
    _check_whole(control, "control")
    return is_coroutine_function(control)


def _check_whole(function: Callable[..., Any], what: str) -> None:
    if _is_generator_function(function):
        raise InvalidArgumentError(
            f"the {what} is a generator function: its answer is made piece by piece and cannot be compared; "
            "wrap it in a function that returns all of it"
        )


def _is_generator_function(function: Callable[..., Any]) -> bool:
    return looks(lambda: inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function))
