"""What a board's handles say, on every driver, and how they come to know."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool

import driftbreaker
from driftbreaker import (
    Basis,
    BreakerSettings,
    CannotTellError,
    CircuitBreaker,
    InvalidArgumentError,
    Outage,
    Switchboard,
    Tables,
)
from driftbreaker.testing import ManualClock
from tests.support.boards import A_DAY, AN_HOUR, eventually, new_board, pause, started, stranger
from tests.support.worlds import World

SHORT = BreakerSettings(ttl=timedelta(seconds=1))


def trip(breaker: CircuitBreaker) -> None:
    for _ in range(3):
        breaker.report_drift(0.9)


def test_before_the_first_reading_the_outage_policy_answers(world: World) -> None:
    board = new_board(world)
    assert board["pricing"].is_open
    assert board["pricing"].basis is Basis.OUTAGE
    assert board["pricing"].age == math.inf
    assert not board.handle("pricing", outage=Outage.CLOSED).is_open
    with pytest.raises(CannotTellError, match="nobody knows whether breaker 'pricing' is open: nothing was read yet"):
        board.handle("pricing", outage=Outage.RAISE).check()


def test_a_breaker_that_nobody_ever_wrote_is_closed(world: World) -> None:
    with started(world) as board:
        handle = board["pricing"]
        assert (handle.is_open, handle.basis, board.is_open("pricing")) == (False, Basis.DATABASE, False)
        assert handle.check() is False
        assert handle.age < 10


def test_what_is_open_already_is_open_from_the_first_reading_on(world: World) -> None:
    with stranger(world) as breaker:
        trip(breaker)
    with started(world) as board:
        handle = board["pricing"]
        assert (handle.is_open, handle.generation, handle.version) == (True, 1, 1)


def test_a_commit_of_this_process_is_seen_at_once(world: World) -> None:
    with started(world, listen=False) as board:
        handle = board["pricing"]
        with world.committed() as breaker:
            trip(breaker)
        assert eventually(world, lambda: handle.is_open)
        with world.committed() as breaker:
            breaker.enable("fixed", actor="alice")
        assert eventually(world, lambda: not handle.is_open)
        assert eventually(world, lambda: (handle.generation, handle.version) == (2, 2))


def test_what_is_rolled_back_is_never_seen(world: World) -> None:
    with started(world, poll=0.02) as board, world.session() as session:
        trip(world.breaker(session))
        session.rollback()
        pause(world, 0.1)
        assert not board.is_open("pricing")


def test_what_nobody_told_of_is_seen_by_the_next_poll(world: World) -> None:
    with started(world, poll=0.2) as board:
        handle = board["pricing"]
        with stranger(world) as breaker:
            trip(breaker)
        assert eventually(world, lambda: handle.is_open)
        with stranger(world) as breaker:
            breaker.enable("fixed", actor="alice")
        assert eventually(world, lambda: not handle.is_open)


def test_an_open_whole_opens_its_scopes_and_an_open_scope_only_itself(world: World) -> None:
    with started(world, poll=0.02) as board:
        whole, eu, us = board["pricing"], board.handle("pricing", "eu"), board.handle("pricing", "us")
        with stranger(world, scope="eu") as breaker:
            trip(breaker)
        assert eventually(world, lambda: eu.is_open)
        assert (whole.is_open, us.is_open) == (False, False)
        with stranger(world) as breaker:
            trip(breaker)
        assert eventually(world, lambda: whole.is_open and us.is_open and eu.is_open)
        with stranger(world, scope="eu") as breaker:
            breaker.enable("fixed", actor="alice")
        assert eventually(world, lambda: eu.generation == 2)
        assert eu.is_open  # for its whole still is
        with stranger(world) as breaker:
            breaker.enable("fixed", actor="alice")
        assert eventually(world, lambda: not (whole.is_open or us.is_open or eu.is_open))
        assert board.is_open("pricing", "eu") is False


def test_an_opening_ends_on_time_without_a_query(world: World) -> None:
    with stranger(world, settings=SHORT) as breaker:
        trip(breaker)
        until = breaker.get_state().disabled_until
    assert until is not None
    with started(world, listen=False) as board:
        handle = board["pricing"]
        assert (handle.is_open, handle.generation) == (True, 1)
        with world.watch() as seen:
            assert eventually(world, lambda: not handle.is_open, within=3)
            late = datetime.now(UTC) - until
        assert len(seen) == 0
        # The generation and version that its recovery will write.
        assert (handle.generation, handle.version) == (2, 2)
        assert timedelta(0) <= late < timedelta(milliseconds=250)


def test_an_expired_opening_whose_recovery_nobody_wrote_is_closed(world: World) -> None:
    with stranger(world, settings=SHORT) as breaker:
        trip(breaker)
    world.age(timedelta(hours=1))
    with started(world) as board:
        handle = board["pricing"]
        assert (handle.is_open, handle.generation, handle.version) == (False, 2, 2)


@pytest.mark.parametrize("how", ["disable", "hold"])
def test_what_a_person_opened_without_an_end_has_none(world: World, how: str) -> None:
    with stranger(world, settings=SHORT) as breaker:
        trip(breaker)
        if how == "hold":
            breaker.hold("until I know why", actor="alice", until=None)
        else:
            breaker.disable("until I know why", actor="alice")
    with started(world) as board:
        pause(world, 1.2)
        assert board.is_open("pricing")


def test_an_end_that_is_moved_is_the_end_that_counts(world: World) -> None:
    with stranger(world, settings=SHORT) as breaker:
        trip(breaker)
    with started(world, poll=0.05) as board:
        assert board.is_open("pricing")
        with stranger(world) as breaker:
            breaker.hold("until later", actor="alice", until=datetime.now(UTC) + timedelta(hours=1))
        pause(world, 1.3)
        assert board.is_open("pricing")


def test_a_version_can_be_waited_for(world: World) -> None:
    with started(world) as board:
        with stranger(world, scope="eu") as breaker:
            trip(breaker)
            breaker.enable("fixed", actor="alice")
        # Closed, so that the open set says nothing of it; and unheard of until it is asked for.
        assert world.call(board.wait_until, "pricing", 2, scope="eu") is True
        assert board.handle("pricing", "eu").version == 2
        started_at = time.monotonic()
        assert world.call(board.wait_until, "pricing", 3, 0.2, scope="eu") is False
        assert 0.15 < time.monotonic() - started_at < 5


def test_a_version_is_waited_for_until_somebody_writes_it(world: World) -> None:
    import threading

    def write() -> None:
        time.sleep(0.2)
        with stranger(world) as breaker:
            trip(breaker)

    with started(world, listen=False) as board:
        writer = threading.Thread(target=write)
        writer.start()
        assert world.call(board.wait_until, "pricing", 1, 10.0) is True
        assert board.is_open("pricing")
        writer.join()


def test_a_closed_board_answers_by_its_outage_policy(world: World) -> None:
    with started(world) as board:
        handles = [board["pricing"], board.handle("pricing", outage=Outage.CLOSED)]
        assert [handle.is_open for handle in handles] == [False, False]
    assert [(handle.is_open, handle.basis) for handle in handles] == [(True, Basis.OUTAGE), (False, Basis.OUTAGE)]


def test_a_closed_board_can_be_started_again(world: World) -> None:
    board = new_board(world)
    for _ in range(3):
        world.call(board.start)
        assert not board.is_open("pricing")
        world.call(board.close)
        world.call(board.close)
        assert board.is_open("pricing")


def test_a_board_that_is_not_started_can_be_refreshed_by_hand(world: World) -> None:
    board = new_board(world)
    handle = board["pricing"]
    world.call(board.refresh)
    assert not handle.is_open
    with stranger(world) as breaker:
        trip(breaker)
    world.call(board.refresh)
    assert handle.is_open
    assert world.call(board.wait_until, "pricing", 1) is True
    assert world.call(board.wait_until, "pricing", 2) is False


def test_the_generation_of_what_opened_and_closed_unseen_is_found_out(world: World) -> None:
    with started(world, poll=0.05) as board:
        handles = [board.handle("pricing", str(number)) for number in range(40)]
        assert eventually(world, lambda: all(handle.generation == 0 for handle in handles))
        with stranger(world, scope="39") as breaker:
            trip(breaker)
            breaker.enable("fixed", actor="alice")  # in one transaction: no open set ever shows it
        assert eventually(world, lambda: handles[39].generation == 2)
        assert not handles[39].is_open


def test_handles_are_kept(world: World) -> None:
    board = new_board(world)
    assert board["pricing"] is board["pricing"] is board.handle("pricing")
    assert board.handle("pricing", outage=Outage.OPEN) is board["pricing"]
    assert board.handle("pricing", outage=Outage.CLOSED) is not board["pricing"]
    assert board.handle("pricing", "eu") is board.handle("pricing", "eu")


@pytest.mark.parametrize("name", ["", "x" * 201, 7, None, [], "nul\0"])
def test_a_name_that_cannot_be_is_refused(world: World, name: object) -> None:
    board = new_board(world)
    for ask in (board.__getitem__, board.is_open, board.handle):
        with pytest.raises(InvalidArgumentError, match="name must"):
            ask(name)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"poll": 0}, "poll must be from 0.001 s"),
        ({"poll": "1"}, "poll must be a finite number"),
        ({"stale_after": 1.0, "poll": 1.0}, "stale_after must be longer than poll"),
        ({"listen": "yes"}, "listen must be True or False"),
        ({"outage": "open"}, "outage must be Outage, got str"),
        ({"tables": 3}, "tables must be Tables"),
        ({"clock": 3}, "clock must have a method now"),
    ],
)
def test_options_that_cannot_be_are_refused(world: World, options: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        new_board(world, **options)


def test_tables_of_another_prefix_are_another_board(world: World) -> None:
    tables = Tables("other_")
    tables.metadata.create_all(world.outside)
    with started(world, tables=tables) as other, started(world) as board:
        with world.committed(tables=tables) as breaker:
            trip(breaker)
        assert eventually(world, lambda: other.is_open("pricing"))
        pause(world, 0.1)
        assert not board.is_open("pricing")


@pytest.mark.parametrize("since", [timedelta(0), timedelta(milliseconds=500), timedelta(seconds=1)])
def test_a_clock_of_a_test_moves_with_each_reading(world: World, since: timedelta) -> None:
    clock = ManualClock()
    board = new_board(world, clock=clock)
    with stranger(world, settings=SHORT, clock=clock) as breaker:
        trip(breaker)
    world.call(board.refresh)
    assert board.is_open("pricing")
    assert SHORT.ttl is not None
    clock.advance(SHORT.ttl + since)
    world.call(board.refresh)
    assert not board.is_open("pricing")


def test_many_boards_live_side_by_side(world: World) -> None:
    with started(world) as one, started(world) as two, started(world) as three:
        with world.committed() as breaker:
            trip(breaker)
        assert eventually(world, lambda: all(board.is_open("pricing") for board in (one, two, three)))


def test_a_host_whose_pool_is_exhausted_is_not_blind(postgres_url: str) -> None:
    """The board has connections of its own."""
    engine = create_engine(postgres_url, pool_size=1, max_overflow=0, pool_timeout=1)
    with engine.connect(), Switchboard(engine, poll=AN_HOUR, stale_after=A_DAY) as board:
        assert board["pricing"].basis is Basis.DATABASE
    engine.dispose()


def test_an_in_memory_database_is_refreshed_by_hand() -> None:
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    driftbreaker.metadata.create_all(engine)
    board = Switchboard(engine)
    with pytest.raises(InvalidArgumentError, match=r"has one connection.*call refresh\(\)"):
        board.start()
    board.refresh()
    assert not board.is_open("pricing")
    engine.dispose()


def test_what_is_no_engine_is_refused(world: World) -> None:
    with pytest.raises(InvalidArgumentError, match="engine must be a sqlalchemy"):
        type(new_board(world))(object())
    with pytest.raises(InvalidArgumentError, match="listen_on must be"):
        new_board(world, listen_on=object())
