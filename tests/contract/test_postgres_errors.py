"""PostgreSQL aborts the transaction on any error: it passes through with its SQLSTATE, and is never swallowed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Thread
from time import monotonic, sleep
from typing import Any

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from driftbreaker import BreakerSettings
from tests.contract.test_database_errors import READERS, WRITERS, note_of
from tests.support.worlds import World

ABORTED = "The transaction is aborted and nothing of it can be committed: roll it back."
RETRY = "The transaction is aborted and nothing of it can be committed: roll it back, then retry it."
LOST = "The connection is lost, and with it the transaction: nothing of it was written. Roll back and retry."

AT_TWO = BreakerSettings(failure_threshold=2, schema_error_threshold=1)


def sqlstate(error: DBAPIError) -> str | None:
    return getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)


@pytest.fixture
def counted(postgres_world: World) -> World:
    with postgres_world.committed() as breaker:
        breaker.report_drift(0.5)
    return postgres_world


@contextmanager
def row_locked(world: World) -> Iterator[Connection]:
    """Somebody else holds the breaker's row."""
    with world.outside.connect() as connection:
        connection.execute(text("SELECT 1 FROM driftbreaker_breakers FOR UPDATE"))
        yield connection
        connection.rollback()


def fails(world: World, session: Any, operation: str, state: str, says: str) -> None:
    """The operation fails with this SQLSTATE, and so does everything after it until the rollback."""
    with pytest.raises(DBAPIError) as caught:
        WRITERS[operation](world.breaker(session, settings=AT_TWO))
    assert sqlstate(caught.value) == state
    assert note_of(caught.value) == f"driftbreaker: {operation} on breaker 'pricing' failed. {says}"
    with pytest.raises(DBAPIError) as again:
        world.breaker(session).is_disabled()
    assert sqlstate(again.value) == "25P02"
    assert note_of(again.value) == f"driftbreaker: is_disabled on breaker 'pricing' failed. {ABORTED}"


def works_again(world: World, session: Any) -> None:
    session.rollback()
    assert world.breaker(session, settings=AT_TWO).report_drift(0.5) is not None
    session.commit()
    assert world.count("incidents") == 1


@pytest.mark.parametrize("operation", WRITERS)
def test_a_lock_timeout_passes_through(counted: World, operation: str) -> None:
    before = counted.everything()
    with counted.session() as session:
        with row_locked(counted):
            session.execute(text("SET LOCAL lock_timeout = '50ms'"))
            fails(counted, session, operation, "55P03", ABORTED)
        assert counted.everything() == before
        works_again(counted, session)


@pytest.mark.parametrize("operation", ["report_drift", "disable"])
def test_a_statement_timeout_passes_through(counted: World, operation: str) -> None:
    before = counted.everything()
    with counted.session() as session:
        with row_locked(counted):
            session.execute(text("SET LOCAL statement_timeout = '100ms'"))
            fails(counted, session, operation, "57014", ABORTED)
        assert counted.everything() == before
        works_again(counted, session)


@pytest.mark.parametrize("reader", READERS)
def test_no_reader_waits_for_a_locked_row(counted: World, reader: str) -> None:
    with counted.session() as session, row_locked(counted):
        session.execute(text("SET LOCAL lock_timeout = '1ms'"))
        READERS[reader](counted.breaker(session))
        session.commit()


@pytest.mark.parametrize("operation", WRITERS)
def test_a_read_only_transaction_refuses_writers_and_nothing_is_written(counted: World, operation: str) -> None:
    before = counted.everything()
    with counted.session() as session:
        session.execute(text("SET TRANSACTION READ ONLY"))
        fails(counted, session, operation, "25006", ABORTED)
        session.rollback()
        assert counted.everything() == before
        works_again(counted, session)


def test_checks_work_in_a_read_only_transaction_and_write_no_recovery(counted: World) -> None:
    with counted.committed() as breaker:
        breaker.disable("why", actor="alice", until=datetime.now(UTC) - timedelta(hours=1))
    before = counted.everything()
    with counted.session() as session:
        session.execute(text("SET TRANSACTION READ ONLY"))
        breaker = counted.breaker(session)
        assert breaker.is_disabled() is False
        for reader in READERS.values():
            reader(breaker)
        session.commit()
    assert counted.everything() == before


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
@pytest.mark.parametrize("operation", ["report_drift", "report_schema_error", "disable", "force_on"])
def test_a_serialization_failure_passes_through_and_a_retry_succeeds(
    counted: World, operation: str, level: str
) -> None:
    with counted.session() as session:
        session.execute(text(f"SET TRANSACTION ISOLATION LEVEL {level}"))
        assert counted.breaker(session).is_disabled() is False, "the snapshot is taken"
        with counted.committed() as other:
            other.report_drift(0.1)
            other.report_drift(0.5)
        fails(counted, session, operation, "40001", RETRY)
        works_again(counted, session)


def test_a_check_under_repeatable_read_raises_nothing_though_the_breaker_changed(counted: World) -> None:
    with counted.session() as session:
        session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        assert counted.breaker(session).is_disabled() is False
        with counted.committed() as other:
            other.disable("why", actor="alice")
        assert counted.breaker(session).is_disabled() is False, "the snapshot's truth"
        session.commit()
        assert counted.breaker(session).is_disabled() is True


def test_a_deadlock_passes_through_as_what_may_be_retried(counted: World) -> None:
    with counted.committed("other") as breaker:
        breaker.report_drift(0.5)
    with counted.session() as session, counted.outside.connect() as connection:
        session.execute(text("SET LOCAL deadlock_timeout = '50ms'"))
        counted.breaker(session, "other").report_drift(0.5)
        pid = session.execute(text("SELECT pg_backend_pid()")).scalar_one()
        connection.execute(text("SET LOCAL deadlock_timeout = '1h'"))
        connection.execute(text("UPDATE driftbreaker_breakers SET failures = 9 WHERE name = 'pricing'"))
        blocked = blocked_in_background(
            connection, "UPDATE driftbreaker_breakers SET failures = 9 WHERE name = 'other'"
        )
        counted_until_blocked(counted, pid)
        fails(counted, session, "report_drift", "40P01", RETRY)
        session.rollback()
        blocked.join(10)
        connection.rollback()
        works_again(counted, session)


def blocked_in_background(connection: Connection, statement: str) -> Thread:
    thread = Thread(target=lambda: connection.execute(text(statement)))
    thread.start()
    return thread


def counted_until_blocked(world: World, blocker: int) -> None:
    """Return once somebody waits for the session of this process id."""
    asked = text("SELECT count(*) FROM pg_stat_activity WHERE :pid = ANY(pg_blocking_pids(pid))")
    deadline = monotonic() + 10
    with world.outside.connect().execution_options(isolation_level="AUTOCOMMIT") as watcher:
        while watcher.execute(asked, {"pid": blocker}).scalar_one() == 0:
            assert monotonic() < deadline, "nobody waits"
            sleep(0.01)


@pytest.mark.parametrize("operation", ["report_drift", "disable", "enable"])
def test_a_lost_connection_passes_through_and_nothing_is_written(counted: World, operation: str) -> None:
    before = counted.everything()
    with counted.session() as session:
        counted.breaker(session).report_drift(0.5)
        pid = session.execute(text("SELECT pg_backend_pid()")).scalar_one()
        with counted.outside.begin() as connection:
            assert connection.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid}).scalar_one()
        with pytest.raises(DBAPIError) as caught:
            WRITERS[operation](counted.breaker(session))
        assert caught.value.connection_invalidated
        assert note_of(caught.value) == f"driftbreaker: {operation} on breaker 'pricing' failed. {LOST}"
        assert counted.everything() == before
        works_again(counted, session)


def test_a_check_on_a_lost_connection_raises_rather_than_answers(counted: World) -> None:
    with counted.session() as session:
        pid = session.execute(text("SELECT pg_backend_pid()")).scalar_one()
        with counted.outside.begin() as connection:
            connection.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
        with pytest.raises(DBAPIError) as caught:
            counted.breaker(session).is_disabled()
        assert note_of(caught.value) == f"driftbreaker: is_disabled on breaker 'pricing' failed. {LOST}"
        session.rollback()
        assert counted.breaker(session).is_disabled() is False


@pytest.mark.parametrize("table", ["incidents", "outbox", "history"])
def test_a_trip_that_fails_midway_aborts_the_transaction(counted: World, table: str) -> None:
    before = counted.everything()
    with counted.outside.begin() as connection:
        connection.execute(
            text(
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
                "'BEGIN RAISE EXCEPTION ''full'' USING ERRCODE = ''53100''; END'"
            )
        )
        connection.execute(
            text(f"CREATE TRIGGER refuse BEFORE INSERT ON driftbreaker_{table} FOR EACH ROW EXECUTE FUNCTION refuse()")
        )
    with counted.session() as session:
        fails(counted, session, "report_drift", "53100", ABORTED)
        session.rollback()
    assert counted.everything() == before


def test_a_savepoint_of_the_callers_survives_the_failure_inside_it(counted: World) -> None:
    with counted.session() as session:
        counted.breaker(session, "other").report_drift(0.5)
        with row_locked_by_name(counted):
            session.execute(text("SET LOCAL lock_timeout = '50ms'"))
            savepoint = session.begin_nested()
            with pytest.raises(DBAPIError) as caught:
                counted.breaker(session).report_drift(0.5)
            assert sqlstate(caught.value) == "55P03"
            counted.call(savepoint.rollback)
        session.commit()
    assert (counted.row()["failures"], counted.row("other")["failures"]) == (1, 1)


@contextmanager
def row_locked_by_name(world: World) -> Iterator[None]:
    with world.outside.connect() as connection:
        connection.execute(text("SELECT 1 FROM driftbreaker_breakers WHERE name = 'pricing' FOR UPDATE"))
        yield
        connection.rollback()


def test_a_breaker_that_may_only_be_read_is_checked_and_refuses_reports(counted: World) -> None:
    before = counted.everything()
    with counted.outside.begin() as connection:
        connection.execute(text("DROP ROLE IF EXISTS driftbreaker_reader"))
        connection.execute(text("CREATE ROLE driftbreaker_reader"))
        connection.execute(text("GRANT SELECT ON ALL TABLES IN SCHEMA public TO driftbreaker_reader"))
    with counted.session() as session:
        session.execute(text("SET LOCAL ROLE driftbreaker_reader"))
        assert counted.breaker(session).is_disabled() is False
        fails(counted, session, "report_drift", "42501", ABORTED)
        session.rollback()
    assert counted.everything() == before
    with counted.outside.begin() as connection:
        connection.execute(text("DROP OWNED BY driftbreaker_reader"))
        connection.execute(text("DROP ROLE driftbreaker_reader"))
