"""A board without a database answers as one with a database does, and its database can be lost."""

from __future__ import annotations

import asyncio
import inspect
import math
import time
from datetime import timedelta
from typing import Any

import pytest

from driftbreaker import AsyncSwitchboard, Basis, CannotTellError, InvalidArgumentError, Outage, Switchboard
from driftbreaker.testing import AsyncMemorySwitchboard, MemorySwitchboard

BOARDS = {MemorySwitchboard: Switchboard, AsyncMemorySwitchboard: AsyncSwitchboard}


@pytest.fixture(params=BOARDS, ids=lambda kind: kind.__name__)
def board(request: pytest.FixtureRequest) -> Any:
    return request.param()


def test_a_breaker_that_was_never_set_is_closed_and_known(board: Any) -> None:
    pricing = board["pricing"]
    assert (pricing.is_open, pricing.generation, pricing.version) == (False, 0, 0)
    assert pricing.basis is Basis.DATABASE
    assert pricing.check() is board.is_open("pricing") is board.is_open("pricing", "gpt-4") is False


def test_what_is_set_shows_in_handles_that_were_found_before_and_in_new_ones(board: Any) -> None:
    before = board["pricing"]
    board.set("pricing", is_open=True)
    assert before.is_open
    assert board["pricing"] is before
    assert board.handle("pricing", outage=Outage.CLOSED).is_open
    assert not board["other"].is_open
    board.set("pricing", is_open=False)
    assert not before.is_open


def test_while_the_whole_is_open_every_scope_is_and_no_scope_opens_another(board: Any) -> None:
    board.set("pricing", is_open=True, scope="gpt-4")
    assert [board.is_open("pricing", scope) for scope in ("gpt-4", "gpt-5", "")] == [True, False, False]
    board.set("pricing", is_open=True)
    assert [board.is_open("pricing", scope) for scope in ("gpt-4", "gpt-5", "")] == [True, True, True]
    board.set("pricing", is_open=False)
    assert [board.is_open("pricing", scope) for scope in ("gpt-4", "gpt-5", "")] == [True, False, False]


def test_each_opening_and_closing_raises_generation_and_version_by_one(board: Any) -> None:
    pricing = board["pricing"]
    seen = []
    for is_open in (True, True, False, False, True):
        board.set("pricing", is_open=is_open)
        seen.append((pricing.generation, pricing.version))
    assert seen == [(1, 1), (1, 1), (2, 2), (2, 2), (3, 3)]


def test_a_handle_that_is_found_after_it_all_knows_its_generation(board: Any) -> None:
    board.set("pricing", is_open=True)
    board.set("pricing", is_open=False)
    assert (board["pricing"].generation, board["pricing"].version) == (2, 2)


def test_every_one_of_many_breakers_shows_at_once_what_it_is_set_to(board: Any) -> None:
    handles = [board[f"breaker-{number}"] for number in range(50)]
    for is_open in (True, False):
        for handle in handles:
            board.set(handle.name, is_open=is_open)
            assert handle.is_open is is_open


def test_it_grows_no_older(board: Any) -> None:
    assert board.age == board["pricing"].age == 0
    time.sleep(0.002)
    assert board.handle("pricing", outage=Outage.last_known(timedelta(milliseconds=1))).basis is Basis.DATABASE


@pytest.mark.parametrize(
    ("outage", "is_open"), [(None, True), (Outage.OPEN, True), (Outage.CLOSED, False), (Outage.RAISE, True)]
)
@pytest.mark.parametrize("set_to", [True, False])
def test_without_its_database_a_board_answers_by_its_outage_policy(
    outage: Outage | None, is_open: bool, set_to: bool
) -> None:
    board = MemorySwitchboard(outage=outage)
    board.set("pricing", is_open=set_to)
    pricing = board["pricing"]
    board.lose_database()
    for handle in (pricing, board["first-asked-for-now"]):
        assert (handle.is_open, handle.basis) == (is_open, Basis.OUTAGE)
    assert board.age == math.inf
    board.find_database()
    assert (pricing.is_open, pricing.basis, board.age) == (set_to, Basis.DATABASE, 0)
    assert board["first-asked-for-now"].basis is Basis.DATABASE


def test_a_check_raises_under_raise_and_only_while_the_database_is_lost(board: Any) -> None:
    strict, lenient = board.handle("pricing", outage=Outage.RAISE), board["pricing"]
    assert strict.check() is False
    board.lose_database()
    with pytest.raises(CannotTellError, match="whether breaker 'pricing' is open: what was read last is too old"):
        strict.check()
    assert lenient.check() is True
    board.find_database()
    assert strict.check() is False


def test_what_was_last_known_holds_for_as_long_as_it_is_trusted(board: Any) -> None:
    patient = board.handle("pricing", outage=Outage.last_known(timedelta(hours=1)))
    plain = board.handle("pricing", outage=Outage.CLOSED)
    board.lose_database(ago=timedelta(minutes=59))
    assert (patient.is_open, patient.basis) == (False, Basis.DATABASE)
    assert plain.basis is Basis.OUTAGE
    assert board.age == pytest.approx(3540, abs=5)
    board.lose_database(ago=timedelta(minutes=61))
    assert (patient.is_open, patient.basis) == (True, Basis.OUTAGE)


def test_a_reading_is_believed_for_as_long_as_by_a_switchboard(board: Any) -> None:
    board.lose_database(ago=timedelta(seconds=5))
    assert board["pricing"].basis is Basis.DATABASE
    board.lose_database(ago=timedelta(seconds=11))
    assert board["pricing"].basis is Basis.OUTAGE


def test_what_is_set_while_the_database_is_lost_is_seen_when_it_is_found(board: Any) -> None:
    pricing = board.handle("pricing", outage=Outage.CLOSED)
    board.lose_database()
    board.set("pricing", is_open=True)
    assert (pricing.is_open, pricing.generation) == (False, 0)
    board.find_database()
    assert (pricing.is_open, pricing.generation, pricing.version) == (True, 1, 1)


def test_waiting_says_whether_a_version_was_seen() -> None:
    board = MemorySwitchboard()
    board.set("pricing", is_open=True)
    assert board.wait_until("pricing", 1)
    assert not board.wait_until("pricing", 2)
    assert not board.wait_until("pricing", 1, scope="gpt-4")
    board.lose_database()
    board.set("pricing", is_open=False)
    assert not board.wait_until("pricing", 2)


def test_starting_and_closing_do_nothing() -> None:
    with MemorySwitchboard() as board:
        board.start(wait=0)
        board.refresh()
        board.set("pricing", is_open=True)
    board.close()
    assert board["pricing"].is_open


def test_the_async_one_is_awaited() -> None:
    async def use() -> bool:
        async with AsyncMemorySwitchboard() as board:
            await board.start(wait=0)
            await board.refresh()
            board.set("pricing", is_open=True)
            assert await board.wait_until("pricing", 1)
        await board.close()
        return board["pricing"].is_open

    assert asyncio.run(use())


def test_boards_share_nothing() -> None:
    MemorySwitchboard().set("pricing", is_open=True)
    assert not MemorySwitchboard()["pricing"].is_open


def test_what_the_environment_forces_off_decides_no_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIFTBREAKER_FORCE_OFF", "*")
    assert not MemorySwitchboard()["pricing"].is_open


@pytest.mark.parametrize(
    "bad",
    [
        lambda board: board.set("", is_open=True),
        lambda board: board.set("pricing", is_open=1),
        lambda board: board.set("pricing", is_open=True, scope=None),
        lambda board: board.lose_database(ago=5),
        lambda board: board.lose_database(ago=timedelta(0)),
        lambda board: board.handle("pricing", outage="open"),
        lambda board: board.wait_until("pricing", -1),
        lambda board: board.wait_until("pricing", 1, -1),
        lambda board: board.start(wait=-1),
        lambda board: board.close(timeout=0),
        lambda _: MemorySwitchboard(outage="open"),  # type: ignore[arg-type]
    ],
)
def test_bad_input_is_refused_and_changes_nothing(bad: Any) -> None:
    board = MemorySwitchboard()
    with pytest.raises(InvalidArgumentError):
        bad(board)
    assert (board["pricing"].is_open, board["pricing"].version, board.age) == (False, 0, 0)


@pytest.mark.parametrize(("ours", "real"), BOARDS.items())
def test_each_has_every_method_of_the_board_that_it_stands_in_for(ours: type, real: type) -> None:
    for name in {name for name in dir(real) if not name.startswith("_")} | {"handle", "is_open", "__getitem__"}:
        stand_in, original = getattr(ours, name), getattr(real, name)
        if not isinstance(original, property):
            assert inspect.signature(stand_in) == inspect.signature(original), name
            assert inspect.iscoroutinefunction(stand_in) == inspect.iscoroutinefunction(original), name
