"""Whatever a candidate is, and whatever it answers with: V1's caller does not learn of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from driftbreaker.scores import equality

from .conftest import NAME, House

COROUTINE = "Candidate answered with a coroutine, which nobody awaits"
GENERATOR = "Candidate answered with a generator: it makes its answer piece by piece"


async def coroutine() -> int:
    return 1


def generator() -> Iterator[int]:
    yield 1


def begun() -> Iterator[int]:
    made = generator()
    next(made)
    return made


def clinging() -> Iterator[int]:
    def clings() -> Iterator[int]:
        try:
            yield 1
        except GeneratorExit:
            yield 2

    made = clings()
    next(made)
    return made


async def async_generator() -> AsyncIterator[int]:
    yield 1


class Unbound:
    """Stands for something that is not there, as context proxies do outside of a request."""

    def __init__(self, error: BaseException) -> None:
        self.__dict__["error"] = error

    def __getattr__(self, name: str) -> Any:
        raise self.__dict__["error"]

    def __call__(self) -> int:
        raise self.__dict__["error"]


class Deceitful:
    """Says of itself that it is what it is not, where it says anything."""

    @property
    def __class__(self) -> Any:  # type: ignore[override]
        raise RuntimeError

    def __call__(self) -> int:
        return 1


ODD = {
    "none": (None, "Candidate raised TypeError"),
    "a number": (7, "Candidate raised TypeError"),
    "a generator function": (generator, GENERATOR),
    "an asynchronous generator function": (async_generator, GENERATOR),
    "answers with a generator": (lambda: generator(), GENERATOR),
    "answers with a generator that has begun": (begun, GENERATOR),
    "answers with a generator that will not end": (clinging, GENERATOR),
    "answers with an asynchronous generator": (lambda: async_generator(), GENERATOR),
    "answers with a coroutine": (lambda: coroutine(), COROUTINE),
    "unbound": (Unbound(RuntimeError("outside of a request")), "Candidate raised RuntimeError"),
    "unbound, and exits": (Unbound(SystemExit(1)), "Candidate raised SystemExit"),
}


class _Called:
    """Functions and coroutines, with the candidate as it is: `way` would wrap it."""

    def __init__(self, *, is_awaited: bool) -> None:
        self._is_awaited = is_awaited

    def compare(self, shadow: Any, control: Callable[[], Any], candidate: Any) -> Any:
        if not self._is_awaited:
            pair = shadow.compare(control, candidate)
            assert shadow.drain()
            return pair

        async def awaited() -> Any:
            return control()

        async def main() -> Any:
            try:
                return await shadow.compare(awaited, candidate)
            finally:
                assert await shadow.adrain()

        return asyncio.run(main())


@pytest.fixture(params=[False, True], ids=["function", "coroutine"])
def called(request: pytest.FixtureRequest) -> _Called:
    return _Called(is_awaited=request.param)


@pytest.mark.parametrize("serve", ["control", "candidate"])
@pytest.mark.parametrize("what", ODD)
def test_a_candidate_that_is_none_has_failed_and_the_control_serves(
    house: House, called: _Called, beside: str, serve: str, what: str
) -> None:
    candidate, why = ODD[what]
    shadow = house.shadow(serve=serve, score=equality(), beside=beside)
    pair = called.compare(shadow, lambda: 1, candidate)
    assert (pair.served, pair.answer) == ("control", 1)
    assert (shadow.counts.kinds, shadow.counts.broken) == ({"failed": 1}, 0)
    assert (house.report.verdict, house.report.why) == ("bad", why)


def test_a_coroutine_function_beside_a_plain_control_has_failed(house: House, beside: str) -> None:
    """It goes with a coroutine function; nobody would await it here."""
    for serve in ("control", "candidate"):
        shadow = house.shadow(serve=serve, score=equality(), beside=beside)
        assert shadow(lambda: 1, coroutine) == 1
        assert shadow.drain()
        assert shadow.counts.kinds == {"failed": 1}
    assert {report.why for report in house.reports} == {COROUTINE}


@pytest.mark.parametrize("what", ODD)
def test_nobody_asks_what_a_candidate_is_that_is_not_called(house: House, called: _Called, what: str) -> None:
    candidate, _ = ODD[what]
    assert called.compare(house.shadow(sample=1e-9), lambda: 1, candidate).answer == 1
    house.board.set(NAME, is_open=True)
    for serve in ("control", "candidate", "auto"):
        shadow = house.shadow(serve=serve)
        assert called.compare(shadow, lambda: 1, candidate).answer == 1
        assert (shadow.counts.kinds, shadow.counts.broken) == ({}, 0)


def test_what_an_odd_candidate_answers_is_compared(house: House, called: _Called, beside: str) -> None:
    shadow = house.shadow(score=equality(), beside=beside)
    assert called.compare(shadow, lambda: 1, Deceitful()).answer == 1
    assert (shadow.counts.kinds, shadow.counts.good) == ({"compared": 1}, 1)


def test_an_answer_that_lies_about_its_kind_is_an_answer(house: House, called: _Called, beside: str) -> None:
    shadow = house.shadow(score=lambda *_: 0.0, schema=lambda _: None, beside=beside)
    assert called.compare(shadow, lambda: 1, Deceitful).answer == 1
    assert (shadow.counts.kinds, shadow.counts.broken) == ({"compared": 1}, 0)


def test_an_odd_candidate_can_be_decorated_with(house: House) -> None:
    shadow = house.shadow(score=equality(), beside="inline")
    assert shadow.against(Unbound(RuntimeError()))(lambda: 1)() == 1
    assert asyncio.run(_awaiting(shadow.against(Unbound(RuntimeError()))(coroutine))) == 1
    assert shadow.counts.kinds == {"failed": 2}


async def _awaiting(function: Any) -> Any:
    return await function()


def test_an_odd_control_is_called_as_it_would_be_without_us(house: House, beside: str) -> None:
    shadow = house.shadow(score=equality(), beside=beside)
    error = RuntimeError("outside of a request")
    with pytest.raises(RuntimeError) as caught:
        shadow(Unbound(error), lambda: 1)
    assert caught.value is error
    assert shadow(Deceitful(), lambda: 1) == 1


@pytest.mark.parametrize("make", [generator, begun, async_generator], ids=lambda make: make.__name__)
def test_what_the_control_answers_with_is_its_callers(house: House, called: _Called, beside: str, make: Any) -> None:
    """Also where a guard falls back on it: nobody else goes through it, or closes it."""
    for serve in ("control", "candidate"):
        shadow = house.shadow(serve=serve, score=equality(), beside=beside)
        answer = make()
        assert called.compare(shadow, lambda answer=answer: answer, lambda: 1 // 0).answer is answer
        assert getattr(answer, "gi_frame", None) or getattr(answer, "ag_frame", None), "it was not closed"


def test_what_auto_serves_is_served_and_has_failed_where_it_is_no_answer(house: House, called: _Called) -> None:
    shadow = house.shadow(serve="auto")
    answer = generator()
    assert called.compare(shadow, lambda: 1, lambda: answer).answer is answer
    assert [*answer] == [1], "it is the caller's, and open"
    assert (house.report.verdict, house.report.why) == ("bad", GENERATOR)


@pytest.mark.parametrize("serve", ["control", "candidate"])
def test_a_schema_that_answers_with_a_coroutine_passes_nothing(
    house: House, called: _Called, beside: str, serve: str
) -> None:
    shadow = house.shadow(serve=serve, schema=lambda _: coroutine(), beside=beside)
    assert called.compare(shadow, lambda: 1, lambda: 1).served == "control"
    assert shadow.counts.kinds == {"schema_error": 1}


@pytest.mark.parametrize(
    ("hook", "found"),
    [
        ("score", lambda counts: counts["score_failed"]),
        ("key", lambda counts: counts.hook_failures),
        ("scope", lambda counts: counts["no_scope"]),
        ("isolate", lambda counts: counts["not_isolated"]),
        ("redact", lambda counts: counts.hook_failures),
        ("publish", lambda counts: counts.hook_failures),
    ],
)
def test_a_hook_that_answers_with_a_coroutine_is_counted_and_warns_of_nothing(
    house: House, called: _Called, beside: str, hook: str, found: Callable[[Any], int]
) -> None:
    shadow = house.shadow(beside=beside, **{"score": lambda *_: 1.0, hook: lambda *_: coroutine()})
    assert called.compare(shadow, lambda: 1, lambda: 1).answer == 1
    assert (found(shadow.counts), shadow.counts.broken) == (1, 0)
