"""The hook wakes, the poll guarantees, the committed row decides: every way in which a transaction can end.

The relay under test polls once an hour, so that what arrives within seconds was woken; what the events do not tell is
what a pass finds.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from driftbreaker import AsyncCircuitBreaker, CircuitBreaker, Pass
from driftbreaker.testing import PostgresServer
from tests.support.background import arrives, in_background, rest
from tests.support.inbox import Inbox
from tests.support.worlds import ASYNC_DRIVERS, CHOSEN, World, sync


def off(world: World, session: Any, name: str = "pricing") -> None:
    world.breaker(session, name).disable("off", actor="alice")


def test_a_commit_wakes_the_relay(world: World) -> None:
    inbox = Inbox()
    with in_background(world, inbox), world.session() as session:
        off(world, session)
        rest(world)
        assert inbox.alerts == [], "nothing before the commit"
        session.commit()
        assert arrives(world, inbox)


def test_a_rollback_sends_nothing(world: World) -> None:
    inbox = Inbox()
    with in_background(world, inbox), world.session() as session:
        off(world, session)
        session.rollback()
        rest(world)
    assert inbox.alerts == []


def test_a_released_savepoint_sends_nothing_before_the_outermost_commit(world: World) -> None:
    inbox = Inbox()
    with in_background(world, inbox), world.session() as session:
        world.breaker(session, "first").report_drift(0.9)  # SQLite's driver begins a transaction at the first write
        savepoint = session.begin_nested()
        off(world, session)
        world.call(savepoint.commit)
        rest(world)
        assert inbox.alerts == []
        session.commit()
        assert arrives(world, inbox)


def test_a_released_savepoint_and_an_outer_rollback_send_nothing(world: World) -> None:
    inbox = Inbox()
    with in_background(world, inbox), world.session() as session:
        world.breaker(session, "first").report_drift(0.9)
        savepoint = session.begin_nested()
        off(world, session)
        world.call(savepoint.commit)
        session.rollback()
        rest(world)
    assert inbox.alerts == []


def test_a_rolled_back_savepoint_sends_only_what_lies_outside_of_it(world: World) -> None:
    inbox = Inbox()
    with in_background(world, inbox), world.session() as session:
        off(world, session, "kept")
        savepoint = session.begin_nested()
        off(world, session, "undone")
        world.call(savepoint.rollback)
        session.commit()
        assert arrives(world, inbox)
        rest(world)
    assert [alert.name for alert in inbox.alerts] == ["kept"]


def test_close_without_commit_sends_nothing(world: World) -> None:
    inbox = Inbox()
    with in_background(world, inbox), world.session() as session:
        off(world, session)
        session.close()
        rest(world)
    assert inbox.alerts == []


def test_a_commit_that_fails_on_a_deferred_constraint_sends_nothing(postgres_world: World) -> None:
    world, inbox = postgres_world, Inbox()
    with world.outside.begin() as connection:
        connection.execute(text("CREATE TABLE parents (id INT PRIMARY KEY)"))
        connection.execute(text("CREATE TABLE children (parent INT REFERENCES parents DEFERRABLE INITIALLY DEFERRED)"))
    with in_background(world, inbox), world.session() as session:
        off(world, session)
        session.execute(text("INSERT INTO children VALUES (1)"))
        with pytest.raises(DBAPIError):
            session.commit()
        session.rollback()
        rest(world)
    assert inbox.alerts == []
    assert world.count("outbox") == 0


def test_joined_to_a_connections_transaction_the_wake_up_may_lie_and_the_row_decides(world: World) -> None:
    """The session's commit fires its event, though the connection's transaction goes on."""
    inbox = Inbox()
    with in_background(world, inbox):
        for ends in ("rollback", "commit"):
            with world.outside.connect() as connection:
                outer = connection.begin()
                with Session(connection, join_transaction_mode="rollback_only") as session:
                    CircuitBreaker(session, "pricing").disable("off", actor="alice")
                    session.commit()
                rest(world)
                assert inbox.alerts == [], "the session committed, the transaction did not"
                getattr(outer, ends)()
    assert world.relay(inbox).run_once() == Pass() if inbox.alerts else Pass(sent=1)
    assert inbox.states == ["firing"]


def test_raw_commit_is_found_by_the_next_pass(world: World) -> None:
    inbox = Inbox()
    with in_background(world, inbox), world.session() as session:
        off(world, session)
        session.execute(text("COMMIT"))
        session.rollback()
        rest(world)
    assert inbox.states == ["firing"], "the last pass, at the latest, finds it"


def test_a_read_only_commit_wakes_nobody(world: World) -> None:
    inbox = Inbox()
    with in_background(world, inbox), world.session() as session:
        with world.watch() as seen:
            world.breaker(session).is_open()
            session.commit()
            rest(world)
        assert not [statement for statement in seen.statements if "outbox" in statement]


@pytest.mark.parametrize("world", [driver for driver in CHOSEN if driver in ASYNC_DRIVERS], indirect=True)
def test_a_task_cancelled_during_its_commit_is_found_by_the_next_pass(world: World) -> None:
    """The row is committed, and no event was fired for it."""
    inbox = Inbox()
    relay = world.relay(inbox)

    async def cancelled() -> None:
        session = AsyncSession(world.engine)
        await AsyncCircuitBreaker(session, "pricing").disable("off", actor="alice")
        task = asyncio.get_running_loop().create_task(session.commit())
        for _ in range(3):
            await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await session.close()

    world.runner.run(cancelled())
    committed = world.count("outbox")
    assert relay.run_once() == Pass(sent=committed), "sent exactly when it is on record"


def test_a_two_phase_commit_sends_at_the_commit_not_at_prepare(postgres: PostgresServer, postgres_url: str) -> None:
    engine = create_engine(postgres_url)
    world, inbox = World("psycopg", postgres_url, create_engine(postgres_url)), Inbox()
    try:
        with in_background(world, inbox), Session(engine, twophase=True) as session:
            CircuitBreaker(session, "pricing").disable("off", actor="alice")
            session.prepare()
            rest(world)
            assert inbox.alerts == []
            session.commit()
            assert arrives(world, inbox)
    finally:
        engine.dispose()
        world.close()


def test_an_alert_never_waits_for_a_channel_inside_the_callers_transaction(world: World) -> None:
    """The caller's commit does SQL and nothing else, whatever the channel does."""
    inbox = Inbox()
    with in_background(world, inbox), world.session() as session:
        with world.watch() as seen:
            off(world, session)
            before = len(seen)
        session.commit()
        assert arrives(world, inbox)
    assert before <= {"postgresql": 5, "sqlite": 8}[world.dialect]
    assert sync(session).info == {}
