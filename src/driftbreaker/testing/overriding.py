"""Breakers that are what a test wants them to be, on every board of the process."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import wraps
from typing import Any, TypeVar, cast

from ..checks import check_flag, check_key
from ..errors import InvalidArgumentError
from ..snapshot import overrides

Function = TypeVar("Function", bound=Callable[..., Any])


class override:  # noqa: N801  used like a function
    """Has every board of this process answer that a breaker is open, or closed, whatever its database says.

        with override("pricing"):
            ...  # the control serves

        @override("pricing", open=False)
        def test_the_candidate_serves(): ...

    - `open`: what it is to be.
    - `scope`: the one scope that is meant; None means all of them and the whole.

    Holds for every thread and for handles that were found before; not for `CircuitBreaker`, which asks the database.
    Overrides nest: the innermost holds. As a decorator it holds for each call of a function, async or not. Raises
    InvalidArgumentError.
    """

    def __init__(self, name: str, *, open: bool = True, scope: str | None = None) -> None:  # noqa: A002
        self._name, _ = check_key(name, "" if scope is None else scope)
        self._scope = scope
        self._is_open = check_flag(open, "open")
        self._begun: list[AbstractContextManager[None]] = []

    def __enter__(self) -> None:
        begun = self._new()
        begun.__enter__()
        self._begun.append(begun)

    def __exit__(self, *raised: Any) -> None:
        self._begun.pop().__exit__(*raised)

    def __call__(self, function: Function) -> Function:
        """Return the function with the override in force whenever it runs."""
        if inspect.isclass(function) or inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise InvalidArgumentError(
                f"override decorates functions, and {function.__name__} is a class or a generator: "
                "write `with override(…)` inside"
            )
        if inspect.iscoroutinefunction(function):

            @wraps(function)
            async def overridden(*args: Any, **kwargs: Any) -> Any:
                with self._new():
                    return await function(*args, **kwargs)
        else:

            @wraps(function)
            def overridden(*args: Any, **kwargs: Any) -> Any:
                with self._new():
                    return function(*args, **kwargs)

        return cast(Function, overridden)

    def _new(self) -> AbstractContextManager[None]:
        return overrides.override(self._name, is_open=self._is_open, scope=self._scope)
