"""An override decides on every board of the process, for as long as it lasts."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import create_engine

from driftbreaker import Basis, InvalidArgumentError, Outage, Switchboard
from driftbreaker.snapshot import overrides
from driftbreaker.testing import MemorySwitchboard, override


def test_it_decides_on_every_board_and_ends_with_its_block() -> None:
    boards = [MemorySwitchboard(), MemorySwitchboard(), Switchboard(create_engine("sqlite://"), outage=Outage.CLOSED)]
    handles = [board["pricing"] for board in boards]
    with override("pricing"):
        handles += [board.handle("pricing", "gpt-4") for board in boards]  # found only now
        assert [(handle.is_open, handle.basis) for handle in handles] == [(True, Basis.OVERRIDE)] * 6
        assert not boards[0]["other"].is_open
    assert not any(handle.is_open for handle in handles)
    assert Basis.OVERRIDE not in {handle.basis for handle in handles}


def test_it_closes_what_is_open_too() -> None:
    board = MemorySwitchboard()
    board.set("pricing", is_open=True)
    with override("pricing", open=False):
        assert board.is_open("pricing") is board.is_open("pricing", "gpt-4") is False
    assert board.is_open("pricing")


def test_it_ends_when_its_block_raises() -> None:
    board = MemorySwitchboard()
    with pytest.raises(ZeroDivisionError), override("pricing"):
        1 / 0  # noqa: B018
    assert not board["pricing"].is_open


def test_it_answers_where_nobody_knows() -> None:
    board = MemorySwitchboard(outage=Outage.RAISE)
    board.lose_database()
    with override("pricing", open=False):
        assert board["pricing"].check() is False


def test_one_scope_is_overridden_alone() -> None:
    board = MemorySwitchboard()
    with override("pricing", scope="gpt-4"):
        assert [board.is_open("pricing", scope) for scope in ("gpt-4", "gpt-5", "")] == [True, False, False]


def test_the_innermost_holds() -> None:
    pricing = MemorySwitchboard()["pricing"]
    seen = []
    with override("pricing"):
        seen.append(pricing.is_open)
        with override("pricing", open=False):
            seen.append(pricing.is_open)
        seen.append(pricing.is_open)
    assert [*seen, pricing.is_open] == [True, False, True, False]


def test_one_override_can_be_used_again_and_within_itself() -> None:
    pricing, off = MemorySwitchboard()["pricing"], override("pricing")
    for _ in range(2):
        with off, off:
            assert pricing.is_open
        assert not pricing.is_open


def test_it_decorates_functions_and_holds_while_they_run() -> None:
    pricing = MemorySwitchboard()["pricing"]

    @override("pricing")
    def served_by(version: str) -> tuple[str, bool]:
        """Say so."""
        return version, pricing.is_open

    assert not pricing.is_open
    assert [served_by("v1"), served_by(version="v1")] == [("v1", True)] * 2
    assert not pricing.is_open
    # A test runner finds the names of fixtures there.
    assert (served_by.__doc__, list(inspect.signature(served_by).parameters)) == ("Say so.", ["version"])


def test_it_holds_while_a_coroutine_runs() -> None:
    pricing = MemorySwitchboard()["pricing"]

    @override("pricing")
    async def served() -> bool:
        await asyncio.sleep(0)
        return pricing.is_open

    assert inspect.iscoroutinefunction(served)
    assert asyncio.run(served())
    assert not pricing.is_open


def generator() -> Iterator[None]:
    yield


async def async_generator() -> AsyncIterator[None]:
    yield


class ManyTests: ...


@pytest.mark.parametrize("thing", [generator, async_generator, ManyTests])
def test_what_runs_after_it_was_called_is_refused(thing: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=f"{thing.__name__} is a class or a generator: write `with"):
        override("pricing")(thing)


@pytest.mark.parametrize(
    "arguments",
    [
        {"name": ""},
        {"name": None},
        {"name": "x" * 201},
        {"name": "pricing", "open": 1},
        {"name": "pricing", "open": None},
        {"name": "pricing", "scope": 0},
        {"name": "pricing", "scope": "x" * 201},
    ],
)
def test_bad_input_is_refused_before_anything_is_overridden(arguments: Any) -> None:
    with pytest.raises(InvalidArgumentError):
        override(**arguments)


def test_an_open_whole_opens_its_scopes_and_a_closed_one_only_itself() -> None:
    board = MemorySwitchboard()
    with override("pricing", scope=""):
        assert (board.is_open("pricing"), board.is_open("pricing", "gpt-4")) == (True, True)
    board.set("pricing", scope="gpt-4", is_open=True)
    with override("pricing", open=False, scope=""):
        assert (board.is_open("pricing"), board.is_open("pricing", "gpt-4")) == (False, True)


@pytest.mark.parametrize("scope", [0, False, [], ()])
def test_what_is_no_scope_is_none_of_the_core_either(scope: Any) -> None:
    with pytest.raises(InvalidArgumentError), overrides.override("pricing", is_open=True, scope=scope):
        pass


def test_threads_override_while_others_make_boards() -> None:
    errors: list[BaseException] = []

    def attempt(what: Callable[[], object]) -> None:
        try:
            for _ in range(300):
                what()
        except BaseException as error:
            errors.append(error)

    def override_once() -> None:
        with override("pricing"):
            pass

    threads = [threading.Thread(target=attempt, args=(what,)) for what in [override_once, MemorySwitchboard] * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert not MemorySwitchboard().is_open("pricing")
