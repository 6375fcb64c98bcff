"""SQLite in the driver's default mode, with a real BEGIN, in its default journal and in WAL."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from tests.contract.steps import BAD, trip

from driftbreaker import BreakerSettings, CircuitBreaker, HalfWrittenError, NoTransactionError


@pytest.fixture(params=["default", "real BEGIN"])
def begin(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["delete", "wal"])
def journal(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def engine(sqlite_url: str, begin: str, journal: str) -> Iterator[Engine]:
    engine = create_engine(sqlite_url, connect_args={"timeout": 0.2})
    if begin == "real BEGIN":
        event.listen(engine, "connect", lambda connection, _: setattr(connection, "isolation_level", None))
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    with sqlite3.connect(sqlite_url.removeprefix("sqlite:///")) as direct:
        assert direct.execute(f"PRAGMA journal_mode = {journal}").fetchone() == (journal,)
    direct.close()
    yield engine
    engine.dispose()


def outside(engine: Engine, query: str) -> Any:
    direct = sqlite3.connect(engine.url.database or "")
    try:
        return direct.execute(query).fetchall()
    finally:
        direct.close()


def test_trip_is_invisible_until_commit_and_gone_after_rollback(engine: Engine) -> None:
    for end, status in (("rollback", []), ("commit", [("open", 3)])):
        with Session(engine) as session:
            trip(CircuitBreaker(session, "pricing"))
            assert outside(engine, "SELECT 1 FROM driftbreaker_breakers") == []
            getattr(session, end)()
        assert outside(engine, "SELECT status, failures FROM driftbreaker_breakers") == status


def test_a_report_as_first_statement_never_meets_a_stale_snapshot(engine: Engine) -> None:
    """Each transaction opens before the other one commits; a read first would pin what a write cannot leave."""
    settings = BreakerSettings(failure_threshold=99)
    with Session(engine) as one, Session(engine) as other:
        for _ in range(20):
            one.connection()
            CircuitBreaker(other, "pricing", settings=settings).report_drift(BAD)
            other.commit()
            CircuitBreaker(one, "pricing", settings=settings).report_drift(BAD)
            one.commit()
    assert outside(engine, "SELECT failures FROM driftbreaker_breakers") == [(40,)]


def test_a_report_waits_for_another_writer_instead_of_failing_at_once(engine: Engine) -> None:
    """Write first inside a transaction: a read there would pin a snapshot, and the busy timeout would not apply."""
    with Session(engine) as session:
        CircuitBreaker(session, "pricing").report_drift(BAD)
        session.commit()
    with Session(engine) as holder, Session(engine) as session:
        CircuitBreaker(holder, "pricing").report_drift(BAD)
        session.connection()
        with pytest.raises(OperationalError, match="locked") as refused:
            CircuitBreaker(session, "pricing").report_drift(BAD)
        assert "still usable" in "".join(refused.value.__notes__)
        holder.commit()
        incident = CircuitBreaker(session, "pricing").report_drift(BAD)
        assert incident is not None, "the very same transaction went on"
        session.commit()


def interrupted_report(session: Session) -> str:
    """What the error says of a report whose statements take too long for somebody."""
    driver: Any = session.connection().connection.driver_connection
    driver.set_progress_handler(lambda: 1, 1)
    with pytest.raises(OperationalError, match="interrupted") as caught:
        CircuitBreaker(session, "pricing").report_drift(BAD)
    driver.set_progress_handler(None, 1)
    (note,) = caught.value.__notes__
    return str(note)


def test_what_an_interrupted_report_takes_with_it_is_not_committed_without_it(engine: Engine) -> None:
    with Session(engine) as session:
        CircuitBreaker(session, "before").report_drift(BAD)
        assert "rolled the whole transaction back" in interrupted_report(session)
        with pytest.raises(HalfWrittenError):
            session.commit()
        session.rollback()
        CircuitBreaker(session, "after").report_drift(BAD)
        session.commit()
    assert outside(engine, "SELECT name FROM driftbreaker_breakers") == [("after",)]


def test_after_a_real_begin_is_undone_nothing_is_done_without_one(engine: Engine, begin: str) -> None:
    """The default driver begins again by itself; whoever begins by hand would commit each statement from here on."""
    with Session(engine) as session:
        CircuitBreaker(session, "before").report_drift(BAD)  # what is prepared is not interrupted before it runs
        session.rollback()
        note = interrupted_report(session)
        if begin == "default":
            assert "still usable" in note
            session.commit()
        else:
            assert "rolled the whole transaction back" in note
            with pytest.raises(NoTransactionError):
                CircuitBreaker(session, "after").report_drift(BAD)
            with pytest.raises(HalfWrittenError):
                session.commit()
    assert outside(engine, "SELECT name FROM driftbreaker_breakers") == []


def test_checks_do_not_wait_for_a_writer(engine: Engine) -> None:
    with Session(engine) as session:
        trip(CircuitBreaker(session, "pricing"))
        session.commit()
    with Session(engine) as holder, Session(engine) as reader:
        CircuitBreaker(holder, "pricing").enable("fine", actor="alice")
        assert CircuitBreaker(reader, "pricing").is_disabled() is True
        assert CircuitBreaker(reader, "pricing").get_state().is_open
        holder.rollback()


def test_no_writing_statement_starts_with_with(engine: Engine) -> None:
    """Python's sqlite3 opens no transaction for it: it would commit at once and survive the caller's rollback."""
    sent: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda _c, _cur, statement, *_: sent.append(statement))
    with Session(engine) as session:
        breaker = CircuitBreaker(session, "pricing")
        trip(breaker)
        breaker.disable("why", actor="alice")
        breaker.enable("why", actor="alice")
        breaker.report_schema_error(9)
        breaker.reset("why", actor="alice")
        session.rollback()
    assert sent
    assert not [statement for statement in sent if statement.upper().startswith("WITH")]


def test_savepoints_with_a_real_begin_undo_what_they_hold(engine: Engine, begin: str) -> None:
    with Session(engine) as session:
        if begin == "default":
            session.execute(text("UPDATE driftbreaker_schema_version SET version = 1"))  # opens the transaction
        breaker = CircuitBreaker(session, "pricing")
        savepoint = session.begin_nested()
        trip(breaker)
        savepoint.rollback()
        assert breaker.get_state().version == 0
        session.commit()
    assert outside(engine, "SELECT 1 FROM driftbreaker_breakers") == []
