"""Shadows that are closed when a test ends, and the ways in which a pair is called."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from driftbreaker import Shadow
from driftbreaker.testing import MemoryReport, MemoryReporter, MemorySwitchboard

NAME = "pricing"


class House:
    """A board, a reporter, and the shadows made with them."""

    def __init__(self) -> None:
        self.board = MemorySwitchboard()
        self.reporter = MemoryReporter()
        self.published: list[Any] = []
        self._made: list[Shadow] = []

    def shadow(self, **options: Any) -> Shadow:
        made = Shadow(self.board, options.pop("reporter", self.reporter), NAME, **options)
        self._made.append(made)
        return made

    @property
    def reports(self) -> list[MemoryReport]:
        return self.reporter.reports

    @property
    def report(self) -> MemoryReport:
        (only,) = self.reporter.reports
        return only

    def close(self) -> None:
        for made in self._made:
            made.close(timeout=5.0)


@pytest.fixture
def house() -> Iterator[House]:
    found = House()
    yield found
    found.close()
    until(lambda: own_threads() == [])


@pytest.fixture
def gate(house: House) -> Iterator[threading.Event]:
    """Candidates that wait for it hang until the test is over, and then end before their shadow is closed."""
    gate = threading.Event()
    yield gate
    gate.set()


def own_threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name.startswith("driftbreaker-shadow")]


def until(true: Callable[[], bool], timeout: float = 5.0) -> None:
    end = time.monotonic() + timeout
    while not true():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.002)


async def until_awaited(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.002)


class Plain:
    """Functions."""

    def call(self, shadow: Shadow, control: Any, candidate: Any, /, *args: Any, **kwargs: Any) -> Any:
        try:
            return shadow(control, candidate, *args, **kwargs)
        finally:
            assert shadow.drain()

    def compare(self, shadow: Shadow, control: Any, candidate: Any, /, *args: Any, **kwargs: Any) -> Any:
        compared = shadow.compare(control, candidate, *args, **kwargs)
        assert shadow.drain()
        return compared


class Awaited:
    """Coroutine functions, or a coroutine function beside a plain one."""

    def __init__(self, *, mixed: bool) -> None:
        self._mixed = mixed

    def _run(self, shadow: Shadow, how: Any, control: Any, candidate: Any, /, *args: Any, **kwargs: Any) -> Any:
        async def main() -> Any:
            other = candidate if self._mixed else awaited(candidate)
            try:
                return await how(awaited(control), other, *args, **kwargs)
            finally:
                assert await shadow.adrain()
                await asyncio.sleep(0)
                assert asyncio.all_tasks() == {asyncio.current_task()}

        return asyncio.run(main())

    def call(self, shadow: Shadow, control: Any, candidate: Any, /, *args: Any, **kwargs: Any) -> Any:
        return self._run(shadow, shadow, control, candidate, *args, **kwargs)

    def compare(self, shadow: Shadow, control: Any, candidate: Any, /, *args: Any, **kwargs: Any) -> Any:
        return self._run(shadow, shadow.compare, control, candidate, *args, **kwargs)


def awaited(function: Callable[..., Any]) -> Callable[..., Any]:
    async def coroutine(*args: Any, **kwargs: Any) -> Any:
        await asyncio.sleep(0)
        return function(*args, **kwargs)

    return coroutine


WAYS = {"functions": Plain(), "coroutines": Awaited(mixed=False), "mixed": Awaited(mixed=True)}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Any:
    return WAYS[request.param]


@pytest.fixture(params=["inline", "thread", "background"])
def beside(request: pytest.FixtureRequest) -> str:
    return str(request.param)
