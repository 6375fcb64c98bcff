"""The three ways to call, and what cannot be compared."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from driftbreaker import InvalidArgumentError, Shadow
from driftbreaker.scores import equality
from driftbreaker.testing import MemoryReporter, MemorySwitchboard

from .conftest import NAME, House


async def coroutine(tokens: int = 1) -> int:
    return tokens


def function(tokens: int = 1) -> int:
    return tokens


class Awaitable:
    async def __call__(self, tokens: int = 1) -> int:
        return tokens


class Made:
    """A class is a plain function that makes its instances, whatever those can do."""

    async def __call__(self) -> None: ...


def generator() -> Iterator[int]:
    yield 1


async def async_generator() -> AsyncIterator[int]:
    yield 1


def test_a_decorated_function_keeps_its_name_signature_and_words(house: House) -> None:
    shadow = house.shadow(score=equality(), beside="inline")

    @shadow.against(function)
    def price(tokens: int = 1) -> int:
        """What it costs."""
        return tokens

    assert (price.__name__, price.__doc__) == ("price", "What it costs.")
    assert str(inspect.signature(price)) == "(tokens: 'int' = 1) -> 'int'"
    assert price(tokens=3) == 3
    assert house.report.score == 0.0


def test_a_decorated_coroutine_function_is_one(house: House) -> None:
    shadow = house.shadow(score=equality(), beside="inline")
    price = shadow.against(function)(coroutine)
    assert inspect.iscoroutinefunction(price)
    assert asyncio.run(price(3)) == 3
    assert house.report.score == 0.0


def test_a_decorated_method_hands_its_object_to_both(house: House) -> None:
    shadow = house.shadow(score=equality(), beside="inline")

    class Prices:
        each = 10

        def candidate(self, tokens: int) -> int:
            return self.each * tokens

        @shadow.against(candidate)
        def price(self, tokens: int) -> int:
            return self.each * tokens

    assert Prices().price(2) == 20
    assert house.report.score == 0.0


@pytest.mark.parametrize("control", [coroutine, Awaitable(), functools.partial(coroutine, 1)])
@pytest.mark.parametrize(
    "candidate", [coroutine, function, Awaitable(), functools.partial(coroutine, 1), functools.partial(function), int]
)
def test_whatever_answers_with_a_coroutine_is_awaited(house: House, control: Any, candidate: Any) -> None:
    async def main() -> None:
        shadow = house.shadow(score=lambda *_: 0.0)
        assert await shadow(control, candidate) == 1
        assert await shadow.adrain()
        assert shadow.counts["compared"] == 1

    asyncio.run(main())


@pytest.mark.parametrize("control", [function, functools.partial(function), Made])
def test_plain_callables_are_called(house: House, control: Any) -> None:
    shadow = house.shadow(score=lambda *_: 0.0, beside="inline")
    shadow(control, Made)
    assert shadow.counts["compared"] == 1


@pytest.mark.parametrize("sample", [1.0, 1e-9])
@pytest.mark.parametrize(
    ("control", "words"), [(generator, "the control is a generator function"), (None, "control must be callable")]
)
def test_a_control_that_cannot_be_compared_is_refused_at_every_call_and_at_decoration(
    house: House, control: Any, words: str, sample: float
) -> None:
    """At every call: a test would not see one in a hundred, and users would."""
    shadow = house.shadow(sample=sample)
    for refused in (
        lambda: shadow(control, function),
        lambda: shadow.compare(control, function),
        lambda: shadow.against(function)(control),
    ):
        with pytest.raises(InvalidArgumentError, match=words):
            refused()


@pytest.mark.parametrize(
    ("control", "candidate", "words"),
    [
        (function, coroutine, "a coroutine function, which nobody would await"),
        (function, Awaitable(), "a coroutine function, which nobody would await"),
        (function, generator, "the candidate is a generator function"),
        (coroutine, generator, "the candidate is a generator function"),
        (coroutine, async_generator, "the candidate is a generator function"),
        (function, 7, "candidate must be callable"),
    ],
)
def test_two_that_do_not_go_together_are_refused_at_decoration(
    house: House, control: Any, candidate: Any, words: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=words):
        house.shadow().against(candidate)(control)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"serve": "v2"}, "serve must be one of 'control', 'candidate', 'auto', got 'v2'"),
        ({"beside": None}, "beside must be one of"),
        ({"sample": 0}, "sample must be a share of the calls, above 0 and up to 1, got 0"),
        ({"sample": 1.5}, "sample must be a share"),
        ({"sample": float("nan")}, "sample must be a finite number"),
        ({"sample": "all"}, "sample must be"),
        ({"budget": 0}, "budget must be from 0.001 s"),
        ({"budget": None}, "budget must be"),
        ({"score": 0.5}, "score must be callable"),
        ({"schema": "json"}, "schema must be callable"),
        ({"publish": []}, "publish must be callable"),
        ({"redact": 1}, "redact must be callable"),
        ({"key": 7}, "key must be text, or a function"),
        ({"scope": None}, "scope must be text, or a function"),
        ({"max_scopes": 0}, "max_scopes must be an integer from 1"),
        ({"keep": -1}, "keep must be an integer from 0"),
        ({"workers": 0}, "workers must be an integer from 1"),
        ({"isolate": "yes"}, "isolate must be True or False"),
        ({"unusable": "good"}, "unusable must be one of 'inconclusive', 'bad'"),
        ({"lifetime": 7}, "lifetime must be a timedelta"),
        ({"lifetime": __import__("datetime").datetime(2030, 1, 1)}, "lifetime must have a time zone"),
        ({"settings": {}}, "settings must be BreakerSettings"),
        *(
            ({hook: function}, f"{hook} must be a plain function, and is a coroutine function")
            for hook in ("score", "schema", "key", "scope", "isolate", "redact", "publish")
            for function in (coroutine, Awaitable(), functools.partial(coroutine, 1))
        ),
    ],
)
def test_options_that_cannot_be_are_refused_at_once(house: House, options: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidArgumentError, match=words):
        house.shadow(**options)


def test_what_is_no_board_reporter_or_name_is_refused_at_once() -> None:
    board, reporter = MemorySwitchboard(), MemoryReporter()
    with pytest.raises(InvalidArgumentError, match=r"board must have a method handle\(\), got NoneType"):
        Shadow(None, reporter, NAME)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError, match=r"reporter must have a method report\(\)"):
        Shadow(board, board, NAME)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError, match="name must have 1 to 200 characters"):
        Shadow(board, reporter, "")
