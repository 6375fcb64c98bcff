"""SQLite forgives a failed statement; what must not happen is that half a transition is committed then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import aiosqlite
import pytest
from sqlalchemy import event, insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from driftbreaker import AsyncCircuitBreaker, BreakerSettings, Event, HalfWrittenError, Incident, listen
from tests.contract.test_database_errors import OPERATIONS, OWN_MODE, WRITERS, note_of
from tests.contract.test_transactions import Base, Order
from tests.support.full import NO_LIMIT
from tests.support.worlds import World

Trouble = Callable[[World, Any], AbstractContextManager[None]]

AT_ONCE = BreakerSettings(failure_threshold=1)
USABLE = "The transaction is still usable, and this statement changed nothing."
GONE = "The database has rolled the whole transaction back, with all that was written before: roll back, then retry."
HALF = "What this call had already written must not be committed: roll the transaction back."


@contextmanager
def refusing(world: World, table: str, what: str = "INSERT") -> Iterator[None]:
    """A database in which one table takes nothing."""
    refuse = f"CREATE TRIGGER refuse BEFORE {what} ON driftbreaker_{table} BEGIN SELECT RAISE(ABORT, 'full'); END"
    with world.outside.begin() as connection:
        connection.execute(text(refuse))
    yield
    with world.outside.begin() as connection:
        connection.execute(text("DROP TRIGGER refuse"))


@pytest.fixture
def counted(sqlite_world: World) -> World:
    with sqlite_world.committed() as breaker:
        breaker.report_drift(0.5)
    return sqlite_world


@pytest.mark.parametrize("table", ["incidents", "outbox", "history"])
def test_a_trip_that_fails_midway_cannot_be_committed(counted: World, table: str) -> None:
    before = counted.everything()
    with counted.session() as session, refusing(counted, table):
        breaker = counted.breaker(session, settings=BreakerSettings(failure_threshold=2))
        with pytest.raises(IntegrityError, match="full") as caught:
            breaker.report_drift(0.5)
        note = note_of(caught.value)
        assert note == f"driftbreaker: report_drift on breaker 'pricing' failed. {USABLE} {HALF}"
        with pytest.raises(HalfWrittenError) as refused:
            session.commit()
        assert str(refused.value) == note
        with pytest.raises(HalfWrittenError):
            session.commit()
        session.rollback()
        session.commit()
    assert counted.everything() == before
    with counted.committed(settings=BreakerSettings(failure_threshold=2)) as breaker:
        assert breaker.report_drift(0.5) is not None, "the next transaction trips as if nothing had been"


@pytest.mark.parametrize("operation", ["disable", "enable", "reset", "hold", "force_on", "report_schema_error"])
def test_every_other_writer_that_fails_midway_cannot_be_committed(counted: World, operation: str) -> None:
    if operation in ("enable", "reset", "hold"):
        with counted.committed() as breaker:
            breaker.disable("maintenance", actor="alice")
    call = WRITERS[operation] if operation != "report_schema_error" else lambda b: b.report_schema_error(9)
    before = counted.everything()
    with counted.session() as session, refusing(counted, "history"):
        with pytest.raises(IntegrityError) as caught:
            call(counted.breaker(session))
        assert HALF in note_of(caught.value)
        with pytest.raises(HalfWrittenError, match=f"{operation} on breaker 'pricing' failed"):
            session.commit()
        session.rollback()
    assert counted.everything() == before


def test_closing_the_session_forgets_the_half_written(counted: World) -> None:
    before = counted.everything()
    with counted.session() as session:
        with refusing(counted, "history"):
            with pytest.raises(IntegrityError):
                counted.breaker(session).disable("why", actor="alice")
            session.close()
        assert counted.breaker(session).disable("why", actor="alice")[0]
        session.rollback()
    assert counted.everything() == before


def test_a_savepoint_of_the_callers_undoes_the_half_written(counted: World) -> None:
    with counted.session() as session:
        counted.breaker(session).report_drift(0.5)  # a transaction is on, so that the savepoint is one
        with refused_history(counted, session):
            savepoint = session.begin_nested()
            with pytest.raises(IntegrityError):
                counted.breaker(session).disable("why", actor="alice")
            counted.call(savepoint.rollback)
        session.commit()
    assert counted.row()["failures"] == 2
    assert counted.row()["status"] == "closed"
    assert counted.count("incidents") == 0


@contextmanager
def refused_history(world: World, session: Any) -> Iterator[None]:
    """The same trigger, made from within: the database is locked for anybody else by now."""
    session.execute(
        text("CREATE TEMP TRIGGER refuse BEFORE INSERT ON driftbreaker_history BEGIN SELECT RAISE(ABORT, 'full'); END")
    )
    yield
    session.execute(text("DROP TRIGGER refuse"))


def test_a_released_savepoint_does_not_launder_the_half_written(counted: World) -> None:
    before = counted.everything()
    with counted.session() as session:
        counted.breaker(session).report_drift(0.5)
        with refused_history(counted, session):
            savepoint = session.begin_nested()
            with pytest.raises(IntegrityError):
                counted.breaker(session).disable("why", actor="alice")
            with pytest.raises(HalfWrittenError):
                counted.call(savepoint.commit)
        session.rollback()
    assert counted.everything() == before


def test_a_failure_of_the_first_statement_leaves_the_transaction_usable(counted: World) -> None:
    with counted.session() as session:
        with refusing(counted, "breakers", "UPDATE"):
            with pytest.raises(IntegrityError) as caught:
                counted.breaker(session).report_drift(0.5)
            assert note_of(caught.value) == f"driftbreaker: report_drift on breaker 'pricing' failed. {USABLE}"
            session.commit()
        assert counted.breaker(session).report_drift(0.5) is None
        session.commit()
    assert counted.row()["failures"] == 2


def test_events_of_a_half_written_trip_are_not_told(counted: World) -> None:
    heard: list[Event] = []
    remove = listen(heard.append)
    try:
        with counted.session() as session, refusing(counted, "history"):
            with pytest.raises(IntegrityError):
                counted.breaker(session, settings=AT_ONCE).report_drift(0.5)
            with pytest.raises(HalfWrittenError):
                session.commit()
            session.rollback()
    finally:
        remove()
    assert heard == []


@pytest.fixture
def orders(counted: World) -> World:
    Base.metadata.create_all(counted.outside)
    counted.call(counted.engine.dispose)  # what a connection has prepared, it would prepare again for the new table
    return counted


def order(session: Any, number: int) -> None:
    """The caller's own work."""
    session.execute(insert(Order), {"id": number, "note": "bought"})


def work(world: World, session: Any) -> None:
    """What a transaction has done before: an order, and a report, whose statements are prepared now."""
    order(session, 1)
    world.breaker(session, "before").report_drift(0.5)


def orders_of(world: World) -> list[int]:
    with world.outside.connect() as connection:
        return list(connection.scalars(select(Order.id)))


def report_on_and_on(world: World, session: Any) -> None:
    """Report on one breaker after another, each for the first time."""
    for number in range(1_000):
        world.breaker(session, f"breaker-{number}").report_drift(0.5)


def tell_driver(world: World, session: Any, method: str, *args: Any) -> None:
    """Call a method of the driver's own connection, which aiosqlite wants awaited."""

    def tell(inner: Session) -> None:
        driver: Any = inner.connection().connection.dbapi_connection
        if world.is_async:
            driver.run_async(lambda connection: getattr(connection, method)(*args))
        else:
            getattr(driver, method)(*args)

    world.call(session.target.run_sync, tell) if world.is_async else tell(session.target)


@contextmanager
def interrupting(world: World, session: Any) -> Iterator[None]:
    """Every statement takes too long for somebody; newer SQLite interrupts as well what it has yet to prepare."""
    tell_driver(world, session, "set_progress_handler", lambda: 1, 1)
    yield
    tell_driver(world, session, "set_progress_handler", None, 1)


@contextmanager
def full(_: World, session: Any) -> Iterator[None]:
    """The file has the room that its pages have left, and no more."""
    session.execute(text("PRAGMA max_page_count = 1"))
    yield
    session.execute(text(f"PRAGMA max_page_count = {NO_LIMIT}"))


@contextmanager
def rolling_back(_: World, session: Any) -> Iterator[None]:
    """A trigger of the host's ends whatever is on."""
    session.execute(
        text(
            "CREATE TEMP TRIGGER end_it BEFORE INSERT ON driftbreaker_breakers BEGIN SELECT RAISE(ROLLBACK, 'no'); END"
        )
    )
    yield


@pytest.mark.parametrize("trouble", [interrupting, full, rolling_back])
def test_what_the_database_rolls_back_whole_is_not_called_usable_and_cannot_be_committed(
    orders: World, trouble: Trouble
) -> None:
    before = orders.everything()
    with orders.session() as session:
        work(orders, session)
        with trouble(orders, session), pytest.raises(DBAPIError) as caught:
            report_on_and_on(orders, session)
        note = note_of(caught.value)
        assert note.startswith("driftbreaker: report_drift on breaker 'breaker-")
        assert note.endswith(f"' failed. {GONE}")
        order(session, 2)
        with pytest.raises(HalfWrittenError) as refused:
            session.commit()
        assert str(refused.value) == note
        session.rollback()
        assert (orders_of(orders), orders.everything()) == ([], before)
        order(session, 3)
        orders.breaker(session).report_drift(0.5)
        session.commit()
    assert (orders_of(orders), orders.row()["failures"]) == ([3], 2)


def test_a_trip_that_is_rolled_back_whole_leaves_nothing_to_commit(orders: World) -> None:
    before = orders.everything()
    with orders.session() as session:
        with full(orders, session), pytest.raises(OperationalError, match="full") as caught:
            orders.breaker(session, settings=AT_ONCE).report_drift(0.5, details={"at length": "x" * 60_000})
        assert note_of(caught.value) == f"driftbreaker: report_drift on breaker 'pricing' failed. {GONE}"
        order(session, 1)
        with pytest.raises(HalfWrittenError):
            session.commit()
        session.rollback()
    assert (orders_of(orders), orders.everything()) == ([], before)


def test_where_nothing_was_written_before_an_interrupted_report_takes_nothing_with_it(orders: World) -> None:
    with orders.session() as session:
        assert orders.breaker(session).is_disabled() is False
        with interrupting(orders, session), pytest.raises(OperationalError, match="interrupted") as caught:
            orders.breaker(session).report_drift(0.5)
        assert note_of(caught.value) == f"driftbreaker: report_drift on breaker 'pricing' failed. {USABLE}"
        order(session, 1)
        session.commit()
    assert (orders_of(orders), orders.row()["failures"]) == ([1], 1)


def test_an_interrupted_check_takes_nothing_with_it(orders: World) -> None:
    with orders.session() as session:
        work(orders, session)
        with interrupting(orders, session), pytest.raises(OperationalError, match="interrupted") as caught:
            orders.breaker(session).is_disabled()
        assert note_of(caught.value) == f"driftbreaker: is_disabled on breaker 'pricing' failed. {USABLE}"
        session.commit()
    assert orders_of(orders) == [1]


def test_a_check_at_which_the_database_rolls_back_whole_says_so(orders: World) -> None:
    """As it does when the disk fails under a reader."""

    def fail(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> tuple[str, Any]:
        failing = "INSERT OR ROLLBACK INTO orders SELECT id, note FROM orders"
        return (failing, ()) if "driftbreaker_breakers" in statement else (statement, parameters)

    with orders.session() as session:
        order(session, 1)
        event.listen(orders.sync_engine, "before_cursor_execute", fail, retval=True)
        with pytest.raises(IntegrityError) as caught:
            orders.breaker(session).is_disabled()
        event.remove(orders.sync_engine, "before_cursor_execute", fail)
        assert note_of(caught.value) == f"driftbreaker: is_disabled on breaker 'pricing' failed. {GONE}"
        order(session, 2)
        with pytest.raises(HalfWrittenError):
            session.commit()
        session.rollback()
    assert orders_of(orders) == []


def test_no_savepoint_brings_back_what_was_rolled_back_whole(orders: World) -> None:
    with orders.session() as session:
        work(orders, session)
        savepoint = session.begin_nested()
        order(session, 2)
        with interrupting(orders, session), pytest.raises(OperationalError, match="interrupted"):
            orders.breaker(session).report_drift(0.5)
        with pytest.raises(OperationalError, match="no such savepoint"):
            orders.call(savepoint.rollback)
        order(session, 3)
        with pytest.raises(HalfWrittenError):
            session.commit()
        session.rollback()
    assert orders_of(orders) == []


def test_a_late_report_at_which_everything_is_rolled_back_fails_every_commit(orders: World) -> None:
    with orders.session() as session:
        work(orders, session)
        orders.breaker(session, when="commit").report_drift(0.5)
        with interrupting(orders, session), pytest.raises(OperationalError) as caught:
            session.commit()
        assert note_of(caught.value) == f"driftbreaker: report_drift on breaker 'pricing' failed. {GONE}"
        with pytest.raises(HalfWrittenError):
            session.commit()
        session.rollback()
    assert (orders_of(orders), orders.row()["failures"]) == ([], 1)


@contextmanager
def locked(world: World) -> Iterator[None]:
    """Somebody else holds the one write lock."""
    with world.outside.connect() as connection:
        connection.execute(text("BEGIN IMMEDIATE"))
        yield
        connection.rollback()


@pytest.fixture
def impatient(counted: World) -> World:
    @event.listens_for(counted.sync_engine, "connect")
    def _no_waiting(connection: Any, _: Any) -> None:
        connection.cursor().execute("PRAGMA busy_timeout = 20")

    counted.call(counted.engine.dispose)
    return counted


@pytest.mark.parametrize("operation", ["report_drift", "report_schema_error", "disable", "force_on"])
def test_a_locked_database_leaves_the_transaction_usable(impatient: World, operation: str) -> None:
    with impatient.session() as session:
        assert impatient.breaker(session).is_disabled() is False
        with locked(impatient):
            with pytest.raises(OperationalError, match="database is locked") as caught:
                WRITERS[operation](impatient.breaker(session))
            assert note_of(caught.value) == f"driftbreaker: {operation} on breaker 'pricing' failed. {USABLE}"
            assert impatient.breaker(session).is_disabled() is False, "a check waits for nobody"
        WRITERS[operation](impatient.breaker(session))
        session.commit()
    row = impatient.row()
    assert (row["failures"], row["status"]) != (1, "closed") or row["schema_errors"] or row["forced_until"]


def test_a_good_report_without_a_streak_does_not_mind_a_locked_database(impatient: World) -> None:
    with impatient.committed() as breaker:
        breaker.report_drift(0.1)
    with impatient.session() as session, locked(impatient):
        assert impatient.breaker(session).report_drift(0.1) is None
        session.commit()


def test_a_database_that_is_read_only_is_checked_and_refuses_reports(counted: World) -> None:
    before = counted.everything()

    with counted.session() as session:
        session.execute(text("PRAGMA query_only = ON"))
        breaker = counted.breaker(session)
        assert breaker.is_disabled() is False
        assert breaker.get_state().consecutive_failures == 1
        with pytest.raises(DBAPIError, match="readonly") as caught:
            breaker.report_drift(0.5)
        assert note_of(caught.value).endswith(USABLE)
        session.commit()
        session.execute(text("PRAGMA query_only = OFF"))
    assert counted.everything() == before


@pytest.mark.skipif(not OWN_MODE, reason="sqlite3 has had the mode since Python 3.12")
def test_the_transactions_that_newer_drivers_open_themselves_are_joined(sqlite_world: World) -> None:
    strict = World(sqlite_world.driver, sqlite_world.url, sqlite_world.outside, connect_args={"autocommit": False})
    for end, incidents in (("rollback", 0), ("commit", 1)):
        with strict.session() as session:
            assert strict.breaker(session, settings=AT_ONCE).report_drift(0.5) is not None
            assert strict.count("incidents") == 0
            getattr(session, end)()
        assert strict.count("incidents") == incidents
    strict.close()


def test_a_connection_that_answers_only_its_own_thread_is_reported_through(sqlite_database: Path) -> None:
    """As aiosqlite makes them where the host makes its connections itself."""

    async def connect() -> aiosqlite.Connection:
        return await aiosqlite.connect(sqlite_database)

    async def report() -> Incident | None:
        engine = create_async_engine("sqlite+aiosqlite://", async_creator=connect)
        async with AsyncSession(engine) as session, session.begin():
            incident = await AsyncCircuitBreaker(session, "pricing", settings=AT_ONCE).report_drift(0.5)
        await engine.dispose()
        return incident

    assert asyncio.run(report()) is not None


@pytest.mark.parametrize("operation", ["is_disabled", "get_state", "report_drift", "disable"])
def test_a_connection_that_somebody_closed_is_lost_like_any_other(counted: World, operation: str) -> None:
    with counted.session() as session:
        tell_driver(counted, session, "close")
        with pytest.raises(DBAPIError) as caught:
            OPERATIONS[operation](counted.breaker(session))
        assert "The connection is lost, and with it the transaction" in note_of(caught.value)
        session.rollback()
        OPERATIONS[operation](counted.breaker(session))
        session.commit()
