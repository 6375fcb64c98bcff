"""Errors of the database pass through as SQLAlchemy raised them, with one sentence of ours: what, where, what now."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import create_engine, event, text
from sqlalchemy.exc import (
    DBAPIError,
    InvalidRequestError,
    PendingRollbackError,
    SQLAlchemyError,
    UnboundExecutionError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import QueuePool

from driftbreaker import AsyncCircuitBreaker, CircuitBreaker, NoTransactionError, Tables
from tests.contract.test_transactions import Base, Order
from tests.support.worlds import TABLES, World

AHEAD = datetime.now(UTC) + timedelta(hours=1)
OWN_MODE = sys.version_info >= (3, 12)

READERS: dict[str, Callable[[Any], Any]] = {
    "is_disabled": lambda b: b.is_disabled(),
    "is_open": lambda b: b.is_open(),
    "get_state": lambda b: b.get_state(),
    "get_incidents": lambda b: b.get_incidents(),
    "get_history": lambda b: b.get_history(),
}
WRITERS: dict[str, Callable[[Any], Any]] = {
    "report_drift": lambda b: b.report_drift(0.5),
    "report_schema_error": lambda b: b.report_schema_error(1),
    "disable": lambda b: b.disable("why", actor="alice"),
    "hold": lambda b: b.hold("why", actor="alice", until=AHEAD),
    "enable": lambda b: b.enable("why", actor="alice"),
    "reset": lambda b: b.reset("why", actor="alice"),
    "force_on": lambda b: b.force_on("why", actor="alice", until=AHEAD),
}
OPERATIONS = READERS | WRITERS


def note_of(error: BaseException) -> str:
    """Our sentence, which there is exactly one of."""
    (note,) = error.__notes__
    return str(note)


def test_missing_tables_are_named_with_the_line_that_creates_them(world: World) -> None:
    TABLES.metadata.drop_all(world.outside)
    with world.session() as session:
        breaker = world.breaker(session, scope="eu")
        for operation, call in OPERATIONS.items():
            with pytest.raises(DBAPIError) as caught:
                call(breaker)
            note = note_of(caught.value)
            assert note.startswith(f"driftbreaker: {operation} on breaker 'pricing' scope 'eu' failed. ")
            assert "The tables do not exist; this line creates them: driftbreaker.metadata.create_all(engine)." in note
            session.rollback()
        TABLES.metadata.create_all(world.outside)
        for call in OPERATIONS.values():
            call(breaker)
        session.commit()


def test_missing_tables_of_ones_own_are_named_as_they_were_made(world: World) -> None:
    for tables in (Tables("other_"), Tables(schema="elsewhere")):
        with world.session() as session:
            with pytest.raises(DBAPIError) as caught:
                world.breaker(session, tables=tables).is_disabled()
            assert f"this line creates them: {tables!r}.metadata.create_all(engine)." in note_of(caught.value)


def test_another_missing_table_is_not_taken_for_ours(world: World) -> None:
    """A trigger of the host's may touch a table of the host's."""
    if world.dialect == "sqlite":
        steps = [
            "CREATE TRIGGER host AFTER UPDATE ON driftbreaker_breakers BEGIN INSERT INTO hosts VALUES (1); END",
        ]
    else:
        steps = [
            """
            CREATE FUNCTION host() RETURNS trigger LANGUAGE plpgsql
            AS 'BEGIN INSERT INTO hosts VALUES (1); RETURN NEW; END'
            """,
            "CREATE TRIGGER host AFTER UPDATE ON driftbreaker_breakers FOR EACH ROW EXECUTE FUNCTION host()",
        ]
    with world.committed() as breaker:
        breaker.report_drift(0.1)
        breaker.report_drift(0.5)
    with world.outside.begin() as connection:
        for step in steps:
            connection.execute(text(step))
    with world.session() as session:
        with pytest.raises(DBAPIError, match="hosts") as caught:
            world.breaker(session).report_drift(0.5)
        assert "create_all" not in note_of(caught.value)


def test_a_session_bound_to_nothing_is_told_to_be_bound(world: World) -> None:
    with world.session(bind=None) as session:
        for operation, call in OPERATIONS.items():
            with pytest.raises(UnboundExecutionError) as caught:
                call(world.breaker(session))
            assert note_of(caught.value) == (
                f"driftbreaker: {operation} on breaker 'pricing' failed. "
                "The session is bound to no engine: nothing was sent. Bind it, e.g. Session(engine)."
            )


def test_a_session_that_is_closed_for_good_says_so(world: World) -> None:
    with world.session(close_resets_only=False) as session:
        breaker = world.breaker(session)
        breaker.is_open()
        session.close()
        for operation in ("is_disabled", "report_drift"):
            with pytest.raises(InvalidRequestError, match="permanently closed") as caught:
                OPERATIONS[operation](breaker)
            assert note_of(caught.value) == (
                f"driftbreaker: {operation} on breaker 'pricing' failed. "
                "The session could not give a connection: nothing was sent."
            )


def test_a_session_whose_flush_has_failed_is_told_to_be_rolled_back(world: World) -> None:
    Base.metadata.create_all(world.outside)
    with world.session() as session:
        session.add(Order(id=1, note=None))
        with pytest.raises(SQLAlchemyError):
            session.flush()
        for operation in ("is_disabled", "report_drift"):
            with pytest.raises(PendingRollbackError) as caught:
                OPERATIONS[operation](world.breaker(session))
            assert note_of(caught.value).endswith("had failed before this call: roll it back, then retry.")
        session.rollback()
        assert world.breaker(session).is_disabled() is False


def test_a_server_that_cannot_be_reached_is_not_called_a_usable_transaction() -> None:
    engine = create_engine("postgresql+psycopg://nobody@127.0.0.1:1/none", connect_args={"connect_timeout": 2})
    with Session(engine) as session, pytest.raises(DBAPIError) as caught:
        CircuitBreaker(session, "pricing").is_disabled()
    assert note_of(caught.value) == (
        "driftbreaker: is_disabled on breaker 'pricing' failed. "
        "The session could not give a connection: nothing was sent."
    )
    engine.dispose()


def test_a_refused_connection_that_sqlalchemy_does_not_wrap_carries_our_sentence_too() -> None:
    engine = create_async_engine("postgresql+asyncpg://nobody@127.0.0.1:1/none")

    async def check() -> None:
        async with AsyncSession(engine) as session:
            await AsyncCircuitBreaker(session, "pricing").is_disabled()

    with pytest.raises(OSError, match="1") as caught:
        asyncio.run(check())
    assert note_of(caught.value) == (
        "driftbreaker: is_disabled on breaker 'pricing' got no connection: nothing was sent."
    )


def test_a_pool_that_is_used_up_says_that_nothing_was_sent(sqlite_url: str) -> None:
    engine = create_engine(sqlite_url, poolclass=QueuePool, pool_size=1, max_overflow=0, pool_timeout=0.05)
    with engine.connect(), Session(engine) as session:
        with pytest.raises(PoolTimeoutError) as caught:
            CircuitBreaker(session, "pricing").report_drift(0.5)
        assert "The session could not give a connection: nothing was sent." in note_of(caught.value)
    engine.dispose()


def test_what_sqlalchemy_refuses_is_not_called_a_lack_of_a_connection(world: World) -> None:
    def refuse(*_: Any) -> None:
        raise InvalidRequestError("a listener of the host's")

    event.listen(world.sync_engine, "before_cursor_execute", refuse)
    with world.session() as session:
        for operation in ("is_disabled", "report_drift"):
            with pytest.raises(InvalidRequestError) as caught:
                OPERATIONS[operation](world.breaker(session))
            assert note_of(caught.value) == (
                f"driftbreaker: {operation} on breaker 'pricing' failed. "
                "This failed in SQLAlchemy and not in the database."
            )


@pytest.fixture
def expired(world: World) -> World:
    """One breaker whose end has passed, and one a bad score before its trip."""
    with world.session() as session:
        world.breaker(session, "over").disable("why", actor="alice", until=datetime.now(UTC) - timedelta(hours=1))
        world.breaker(session, "pricing").report_drift(0.5)
        session.commit()
    return world


class ItsOwn(sqlite3.Connection):
    """What ``sqlite3.connect(autocommit=True)`` gives from Python 3.12 on, as far as one can ask it."""

    autocommit = True


@pytest.fixture(params=["SQLAlchemy's", "the driver's"])
def autocommit(request: pytest.FixtureRequest, expired: World) -> Iterator[Any]:
    """A session without a transaction: both ways there are to get one."""
    if request.param == "SQLAlchemy's":
        bind = expired.engine.execution_options(isolation_level="AUTOCOMMIT")
    elif expired.driver == "asyncpg":
        pytest.skip("it has no such mode")
    else:
        options = {"factory": ItsOwn} if expired.dialect == "sqlite" and not OWN_MODE else {"autocommit": True}
        bind = (create_async_engine if expired.is_async else create_engine)(expired.url, connect_args=options)
    with expired.session(bind=bind) as session:
        yield session
    expired.call(bind.dispose)


@pytest.mark.parametrize("operation", WRITERS)
def test_a_writer_in_autocommit_is_refused_and_writes_nothing(expired: World, autocommit: Any, operation: str) -> None:
    before = expired.everything()
    for name in ("pricing", "over", "never seen"):
        with pytest.raises(NoTransactionError) as caught:
            WRITERS[operation](expired.breaker(autocommit, name))
        assert str(caught.value) == (
            f"{operation} on breaker {name!r} needs a transaction to join, but the session's connection is in "
            "AUTOCOMMIT: use a session without isolation_level='AUTOCOMMIT' and a driver without autocommit=True"
        )
    autocommit.commit()
    assert expired.everything() == before


def test_checks_work_in_autocommit_and_write_no_recovery(expired: World, autocommit: Any) -> None:
    before = expired.everything()
    for name in ("pricing", "over"):
        breaker = expired.breaker(autocommit, name)
        assert breaker.is_disabled() is False
        assert breaker.is_open() is False
        assert breaker.is_closed() is True
        assert breaker.get_state().is_open is False
    (incident,) = expired.breaker(autocommit, "over").get_incidents(include_resolved=True)
    assert incident.resolved_by == "system-auto-recover"
    autocommit.commit()
    assert expired.everything() == before


def test_a_tripped_breaker_is_seen_open_in_autocommit(world: World) -> None:
    with world.committed() as breaker:
        breaker.disable("why", actor="alice")
    with world.session(bind=world.engine.execution_options(isolation_level="AUTOCOMMIT")) as session:
        assert world.breaker(session).is_disabled()


def test_readers_need_no_transaction(world: World) -> None:
    with world.committed() as breaker:
        _, incident = breaker.disable("why", actor="alice")
        note = breaker.add_note("seen", actor="bob")
    with world.session(bind=world.engine.execution_options(isolation_level="AUTOCOMMIT")) as session:
        breaker = world.breaker(session)
        assert breaker.is_open()
        assert breaker.get_state().incident_id == incident.id
        assert breaker.get_incidents() == [incident]
        assert breaker.get_notes(incident.id) == [note]
        assert [entry.change for entry in breaker.get_history()] == ["note", "disable"]


def test_an_error_of_the_callers_own_listener_carries_no_note_and_is_not_swallowed(world: World) -> None:
    """Only the database's errors are ours to explain."""

    class HostsError(RuntimeError):
        pass

    def fail(*_: Any) -> None:
        raise HostsError

    with world.session() as session:
        world.breaker(session).is_open()
        event.listen(world.sync_engine, "before_cursor_execute", fail)
        try:
            with pytest.raises(HostsError) as caught:
                world.breaker(session).report_drift(0.5)
        finally:
            event.remove(world.sync_engine, "before_cursor_execute", fail)
        assert not hasattr(caught.value, "__notes__")
