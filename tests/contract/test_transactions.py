"""It works inside the caller's own transaction and never ends it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import String, create_engine, insert, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from driftbreaker import CircuitBreaker
from tests.contract.steps import changes
from tests.support.worlds import TABLES, World, sync


class Base(DeclarativeBase):
    pass


class Order(Base):
    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    note: Mapped[str] = mapped_column(String(50))


@pytest.fixture
def orders(world: World) -> World:
    Base.metadata.create_all(world.outside)
    return world


def trip(breaker: Any) -> Any:
    for _ in range(2):
        assert breaker.report_drift(0.5) is None
    return breaker.report_drift(0.5)


def every_operation(breaker: Any) -> None:
    """Each operation, on a breaker in each state it can meet."""
    ahead = datetime.now(UTC) + timedelta(hours=1)
    breaker.is_disabled()
    breaker.report_drift(0.1)
    assert trip(breaker)
    breaker.report_drift(0.5)
    breaker.report_drift(0.1)
    breaker.report_schema_error(9)
    breaker.hold("until later", actor="alice", until=ahead)
    breaker.disable("another reason", actor="alice")
    breaker.disable("another reason", actor="alice")
    breaker.get_state()
    breaker.get_incidents(include_resolved=True)
    breaker.get_history()
    assert breaker.enable("fine again", actor="alice")
    breaker.enable("fine again", actor="alice")
    breaker.report_schema_error(1)
    breaker.report_schema_error(9)
    assert breaker.reset("fine again", actor="alice")
    breaker.disable("over at once", actor="alice", until=datetime.now(UTC) - timedelta(hours=1))
    breaker.is_disabled()
    breaker.report_drift(0.5)
    breaker.force_on("we know", actor="alice", until=ahead)
    breaker.reset("enough", actor="alice")
    breaker.is_open()
    breaker.is_closed()


def test_no_operation_sends_commit_rollback_or_savepoint(world: World) -> None:
    with world.session() as session, world.watch() as seen:
        every_operation(world.breaker(session))
        words = {statement.split()[0].upper() for statement in seen.statements}
        assert words <= {"SELECT", "INSERT", "UPDATE", "WITH"}
        assert seen.endings == []
        session.rollback()


def test_nothing_is_visible_to_others_before_the_callers_commit(world: World) -> None:
    with world.session() as session:
        assert trip(world.breaker(session))
        assert [world.count(table) for table in ("breakers", "incidents", "outbox", "history")] == [0, 0, 0, 0]
        session.commit()
    assert [world.count(table) for table in ("breakers", "incidents", "outbox", "history")] == [1, 1, 1, 1]


def test_everything_is_visible_at_once_after_the_callers_commit(world: World) -> None:
    with world.session() as session:
        incident = trip(world.breaker(session))
        session.commit()
    row = world.row()
    (stored,) = world.rows("incidents")
    (alert,) = world.rows("outbox")
    (entry,) = world.rows("history")
    assert row["incident_id"] == stored["id"] == alert["incident_id"] == entry["incident_id"] == incident.id
    assert row["opened_at"] == stored["ts"] == alert["starts_at"] == entry["at"] == incident.timestamp


def test_rollback_leaves_no_trace_of_anything(world: World) -> None:
    with world.session() as session:
        every_operation(world.breaker(session))
        session.rollback()
    assert world.everything() == {"breakers": [], "incidents": [], "outbox": [], "history": []}


def test_rollback_gives_back_the_state_that_was_there(world: World) -> None:
    with world.committed() as breaker:
        trip(breaker)
    before = world.everything()
    with world.session() as session:
        breaker = world.breaker(session)
        assert breaker.enable("fine again", actor="alice")
        every_operation(breaker)
        session.rollback()
    assert world.everything() == before


def test_trip_commits_together_with_the_callers_rows(orders: World) -> None:
    with orders.session() as session:
        session.add(Order(id=1, note="priced by the candidate"))
        trip(orders.breaker(session))
        session.commit()
    with orders.outside.connect() as connection:
        assert connection.execute(select(Order.id)).scalars().all() == [1]
    assert orders.count("incidents") == 1


def test_pending_objects_are_not_flushed(orders: World) -> None:
    with orders.session() as session:
        session.add(Order(id=1, note="pending"))
        every_operation(orders.breaker(session))
        assert len(sync(session).new) == 1, "still pending: no operation flushed it"
        session.rollback()


def test_pending_objects_that_cannot_be_flushed_do_not_disturb(orders: World) -> None:
    with orders.session() as session:
        session.add(Order(id=1, note=None))  # violates NOT NULL once flushed
        assert orders.breaker(session).is_disabled() is False
        assert trip(orders.breaker(session))
        session.rollback()


@pytest.mark.parametrize("option", [{"stream_results": True}, {"yield_per": 100}], ids=list)
def test_a_session_that_streams_what_it_reads_reports_like_any_other(world: World, option: dict[str, Any]) -> None:
    with world.session() as session:
        every_operation(world.breaker(session, "plain"))
        session.commit()
        session.connection(execution_options=option)
        every_operation(world.breaker(session, "streaming"))
        options = sync(session).connection().get_execution_options()
        assert options == option, "the caller's own reading is left as it was"
        session.commit()
    assert changes(world, "streaming") == changes(world, "plain")
    assert "trip" in changes(world, "streaming")


def test_inside_session_begin(world: World) -> None:
    with world.session() as session:
        transaction = session.begin()
        trip(world.breaker(session))
        world.call(transaction.commit)
    assert world.count("incidents") == 1


def test_rolled_back_savepoint_takes_its_reports_with_it(world: World) -> None:
    """On SQLite with a real BEGIN: the default driver mode loses savepoints before any write, as documented."""
    with world.session() as session:
        breaker = world.breaker(session)
        breaker.report_drift(0.5)
        savepoint = session.begin_nested()
        breaker.report_drift(0.5)
        assert breaker.report_drift(0.5) is not None
        world.call(savepoint.rollback)
        assert breaker.is_open() is False
        assert breaker.get_state().consecutive_failures == 1
        session.commit()
    assert world.row()["failures"] == 1
    assert world.count("incidents") == 0


def test_released_savepoint_is_undone_by_the_outer_rollback(world: World) -> None:
    with world.session() as session:
        breaker = world.breaker(session)
        breaker.report_drift(0.5)
        savepoint = session.begin_nested()
        trip_again = [breaker.report_drift(0.5) for _ in range(2)]
        assert trip_again[-1] is not None
        world.call(savepoint.commit)
        session.rollback()
    assert world.count("breakers") == 0


def test_joined_to_an_outer_connections_transaction(world: World) -> None:
    if world.is_async:
        connection = world.call(world.engine.connect)
        outer = world.call(connection.begin)
    else:
        connection = world.engine.connect()
        outer = connection.begin()
    with world.session(bind=connection, join_transaction_mode="rollback_only") as session:
        trip(world.breaker(session))
        session.commit()
        assert world.count("incidents") == 0, "the outer transaction has not committed"
    world.call(outer.rollback)
    world.call(connection.close)
    assert world.count("breakers") == 0


class Held(Base):
    """A caller's own mapping of the breaker's row."""

    __table__ = TABLES.breakers.to_metadata(Base.metadata)


def test_stale_identity_map_loses_nothing(world: World) -> None:
    """An ORM object of the breaker's row that the caller still holds must not hide what others counted."""
    with world.committed() as breaker:
        breaker.report_drift(0.5)
    with world.session(expire_on_commit=False) as session:
        held = session.get(Held, ("pricing", ""))
        session.commit()
        with world.committed() as other:
            other.report_drift(0.5)
        assert held.failures == 1, "the object is stale"
        assert world.breaker(session).report_drift(0.5) is not None, "two were counted before"
        session.rollback()


def test_nothing_of_ours_is_left_in_the_session(world: World) -> None:
    with world.session() as session:
        every_operation(world.breaker(session))
        assert len(sync(session).identity_map) == 0
        session.commit()
        assert not any("driftbreaker" in str(key) for key in sync(session).info)


def test_the_transaction_goes_on_after_bad_input(orders: World) -> None:
    with orders.session() as session:
        session.execute(insert(Order).values(id=7, note="work"))
        with pytest.raises(ValueError, match="drift_score"):
            orders.breaker(session).report_drift(float("nan"))
        assert session.execute(text("SELECT count(*) FROM orders")).scalar_one() == 1
        session.commit()
    with orders.outside.connect() as connection:
        assert connection.execute(select(Order.id)).scalars().all() == [7]


def test_making_a_breaker_touches_neither_disk_nor_database() -> None:
    engine = create_engine("postgresql+psycopg://nobody@256.256.256.256:1/none")
    breaker = CircuitBreaker(Session(engine), "pricing")
    assert (breaker.name, breaker.scope, breaker.failure_threshold, breaker.drift_threshold) == ("pricing", "", 3, 0.2)
