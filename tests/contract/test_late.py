"""Late reports: kept with the session, made just before its outermost commit, or never."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, insert
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from driftbreaker import BreakerSettings, CircuitBreaker, NoTransactionError
from driftbreaker.testing import ManualClock
from tests.contract.steps import BAD, GOOD, changes, trip
from tests.contract.test_transactions import Base, Order
from tests.support.worlds import TABLES, World


def late(world: World, session: Any, name: str = "pricing", **options: Any) -> Any:
    return world.breaker(session, name, when="commit", **options)


def test_late_reports_answer_none_and_send_nothing_before_the_commit(world: World) -> None:
    with world.session() as session:
        breaker = late(world, session)
        with world.watch() as seen:
            assert [breaker.report_drift(BAD) for _ in range(5)] == [None] * 5
            assert breaker.report_schema_error(9) is None
            assert len(seen) == 0
        assert breaker.is_disabled() is False, "nothing is written yet"
        session.commit()
    assert world.row()["status"] == "open"
    assert changes(world) == ["trip"]


def test_late_reports_are_folded_into_one_statement_per_breaker(world: World) -> None:
    with world.committed() as breaker:
        breaker.report_drift(BAD)
        breaker.report_drift(GOOD)
    with world.session() as session:
        breaker = late(world, session)
        for _ in range(2):
            breaker.report_drift(BAD)
        with world.watch() as seen:
            session.commit()
    assert len(seen) == {"postgresql": 1, "sqlite": 2}[world.dialect]
    assert world.row()["failures"] == 2


def test_late_reports_keep_their_order(world: World) -> None:
    with world.session() as session:
        breaker = late(world, session)
        for score in (BAD, BAD, GOOD, BAD, BAD, GOOD, BAD):
            breaker.report_drift(score)
        session.commit()
    assert (world.row()["status"], world.row()["failures"]) == ("closed", 1)


def test_rollback_forgets_late_reports(world: World) -> None:
    with world.session() as session:
        trip_late(late(world, session))
        session.rollback()
        session.commit()
    assert world.count("breakers") == 0


def test_close_without_commit_forgets_late_reports(world: World) -> None:
    with world.session() as session:
        trip_late(late(world, session))
        session.close()
        session.commit()
    assert world.count("breakers") == 0


def trip_late(breaker: Any) -> None:
    for _ in range(3):
        breaker.report_drift(BAD)


def test_rolled_back_savepoint_forgets_what_was_reported_inside(world: World) -> None:
    with world.session() as session:
        breaker = late(world, session)
        breaker.report_drift(BAD)
        outer = session.begin_nested()
        breaker.report_drift(BAD)
        inner = session.begin_nested()
        breaker.report_drift(BAD)
        world.call(inner.commit)
        world.call(outer.rollback)
        session.commit()
    assert world.row()["failures"] == 1, "the released one went with the savepoint around it"


def test_released_savepoint_makes_nothing_yet(world: World) -> None:
    with world.session() as session:
        trip_late(late(world, session))
        savepoint = session.begin_nested()
        with world.watch() as seen:
            world.call(savepoint.commit)
        assert not [text for text in seen.statements if "driftbreaker" in text]
        session.commit()
    assert world.row()["status"] == "open"


def test_several_breakers_are_made_in_the_order_of_their_names(world: World) -> None:
    with world.session() as session:
        for name, scope in (("b", ""), ("a", "z"), ("c", ""), ("a", ""), ("b", "")):
            late(world, session, name, scope=scope).report_drift(BAD)
        with world.watch():
            touched: list[tuple[str, str]] = []

            def note(_c: Any, _cursor: Any, text: str, parameters: Any, *_: Any) -> None:
                if text.startswith("UPDATE"):
                    named = parameters if isinstance(parameters, dict) else {}
                    touched.append((named.get("p_name", ""), named.get("p_scope", "")))

            event.listen(world.sync_engine, "before_cursor_execute", note)
            session.commit()
    assert [(row["name"], row["scope"], row["failures"]) for row in world.rows("breakers")] == [
        ("a", "", 1),
        ("a", "z", 1),
        ("b", "", 2),
        ("c", "", 1),
    ]
    if world.driver.startswith("psycopg"):
        assert touched == sorted(touched)


@pytest.mark.parametrize("work", ["new", "changed", "deleted"])
def test_the_callers_work_is_flushed_first(world: World, work: str) -> None:
    Base.metadata.create_all(world.outside)
    with world.outside.begin() as connection:
        connection.execute(insert(Order), [{"id": 1, "note": "old"}])
    with world.session() as session:
        old = session.get(Order, 1)
        if work == "new":
            session.add(Order(id=2, note="work"))
        elif work == "changed":
            old.note = "work"
        else:
            session.delete(old)
        late(world, session).report_drift(BAD)
        with world.watch() as seen:
            session.commit()
    order = next(n for n, text in enumerate(seen.statements) if "orders" in text)
    count = next(n for n, text in enumerate(seen.statements) if "driftbreaker" in text)
    assert order < count


def test_a_commit_that_is_tried_again_makes_no_report_twice(world: World) -> None:
    """What strikes before a statement is sent leaves transaction and session usable."""
    struck: list[str] = []

    def strike(_c: Any, _cursor: Any, _statement: str, parameters: Any, *_: Any) -> None:
        if "b" in (parameters.values() if isinstance(parameters, dict) else parameters) and not struck:
            struck.append("b")
            raise RuntimeError("a listener of the host's")

    with world.session() as session:
        for name in ("a", "b"):
            late(world, session, name).report_drift(BAD)
        event.listen(world.sync_engine, "before_cursor_execute", strike)
        with pytest.raises(RuntimeError):
            session.commit()
        session.commit()
    assert [world.row(name)["failures"] for name in ("a", "b")] == [1, 1]


def test_failed_flush_fails_the_commit_and_makes_no_report(world: World) -> None:
    Base.metadata.create_all(world.outside)
    with world.session() as session:
        trip_late(late(world, session))
        session.add(Order(id=1, note=None))
        with pytest.raises(IntegrityError):
            session.commit()
        session.rollback()
        session.commit()
    assert world.count("breakers") == 0


def test_error_at_the_commit_fails_the_commit(world: World) -> None:
    TABLES.history.drop(world.outside)
    with world.session() as session:
        trip_late(late(world, session))
        with pytest.raises(DBAPIError) as refused:
            session.commit()
        assert "report_drift on breaker 'pricing'" in refused.value.__notes__[0]
        session.rollback()
    assert world.count("breakers") == 0


def test_several_late_breakers_and_reports_in_several_transactions(world: World) -> None:
    with world.session() as session:
        for _ in range(2):
            for name in ("a", "b"):
                late(world, session, name).report_drift(BAD)
            session.commit()
        late(world, session, "a").report_drift(GOOD)
        late(world, session, "b").report_drift(BAD)
        session.commit()
    assert world.row("a")["failures"] == 0
    assert world.row("b")["status"] == "open"


def test_late_and_immediate_reports_mix(world: World) -> None:
    with world.session() as session:
        late(world, session).report_drift(BAD)
        world.breaker(session).report_drift(BAD)
        assert world.breaker(session).get_state().consecutive_failures == 1
        late(world, session).report_drift(BAD)
        session.commit()
    assert world.row()["status"] == "open"


def test_late_reports_meet_an_open_breaker_without_touching_it(world: World) -> None:
    with world.committed() as breaker:
        trip(breaker)
    before = world.everything()
    with world.session() as session:
        trip_late(late(world, session))
        late(world, session).report_schema_error(9)
        session.commit()
    assert world.everything() == before


def test_late_report_of_an_earlier_generation_changes_nothing(world: World) -> None:
    with world.session() as session:
        breaker = late(world, session)
        for _ in range(3):
            breaker.report_drift(BAD, generation=0)
        world.breaker(session).disable("meanwhile", actor="alice")
        world.breaker(session).enable("meanwhile", actor="alice")
        session.commit()
    assert (world.row()["status"], world.row()["failures"]) == ("closed", 0)


def test_late_schema_errors_add_up(world: World) -> None:
    with world.session() as session:
        breaker = late(world, session)
        breaker.report_schema_error(2, {"field": "a"})
        breaker.report_schema_error(3, {"field": "b"})
        session.commit()
    (incident,) = world.rows("incidents")
    assert (incident["severity"], incident["sample_count"], incident["details"]) == ("P3", 5, {"field": "b"})


def test_late_incident_tells_of_the_worst_score_and_all_samples(world: World) -> None:
    with world.session() as session:
        breaker = late(world, session)
        breaker.report_drift(0.3, 10, {"n": 1})
        breaker.report_drift(0.9, 20, {"n": 2})
        breaker.report_drift(0.5, 30, {"n": 3})
        session.commit()
    (incident,) = world.rows("incidents")
    assert (incident["drift_score"], incident["sample_count"], incident["details"]) == (0.9, 60, {"n": 2})


def test_late_events_are_told_after_the_commit(world: World) -> None:
    from driftbreaker import listen

    told: list[str] = []
    remove = listen(lambda each: told.append(each.kind))
    try:
        with world.session() as session:
            breaker = late(world, session)
            breaker.report_drift(0.17)
            trip_late(breaker)
            assert told == []
            session.commit()
    finally:
        remove()
    assert sorted(told) == ["trip", "warning"]


def test_bad_input_is_refused_at_the_call(world: World) -> None:
    with world.session() as session:
        with pytest.raises(ValueError, match="drift_score"):
            late(world, session).report_drift(float("nan"))
        session.commit()
    assert world.count("breakers") == 0


def test_two_phase_commit_makes_late_reports_at_prepare(postgres: Any, postgres_url: str) -> None:
    from sqlalchemy import create_engine, text

    engine = create_engine(postgres_url)
    with Session(engine, twophase=True) as session:
        breaker = CircuitBreaker(session, "pricing", when="commit", settings=BreakerSettings(failure_threshold=1))
        breaker.report_drift(BAD)
        session.prepare()
        with engine.connect() as other:
            assert (
                other.execute(
                    text("SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database()")
                ).scalar()
                == 1
            )
            assert other.execute(text("SELECT count(*) FROM driftbreaker_incidents")).scalar() == 0
        with pytest.raises(NoTransactionError, match="takes no more work"):
            breaker.report_drift(BAD)
        session.commit()
        with engine.connect() as other:
            assert other.execute(text("SELECT count(*) FROM driftbreaker_incidents")).scalar() == 1
    engine.dispose()


def test_without_autobegin_a_transaction_must_be_there(world: World) -> None:
    with world.session(autobegin=False) as session:
        with pytest.raises(NoTransactionError, match="begin one first"):
            late(world, session).report_drift(BAD)
        session.begin()
        late(world, session).report_drift(BAD)
        session.commit()
    assert world.row()["failures"] == 1


def test_autocommit_is_refused_at_the_commit(world: World) -> None:
    with world.session() as session:
        session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
        late(world, session).report_drift(BAD)
        with pytest.raises(NoTransactionError):
            session.commit()
        session.rollback()
    assert world.count("breakers") == 0


def test_insert_without_the_orm_commits_along(world: World) -> None:
    Base.metadata.create_all(world.outside)
    with world.session() as session:
        session.execute(insert(Order).values(id=1, note="core"))
        late(world, session).report_drift(BAD)
        session.commit()
    assert world.row()["failures"] == 1


def test_joined_to_an_outer_connection_late_reports_wait_for_its_commit_too(world: World) -> None:
    connection = world.call(world.engine.connect)
    outer = world.call(connection.begin)
    with world.session(bind=connection, join_transaction_mode="rollback_only") as session:
        trip_late(late(world, session))
        session.commit()
        assert world.count("breakers") == 0
    world.call(outer.commit)
    world.call(connection.close)
    assert world.row()["status"] == "open"


@pytest.mark.parametrize(("before", "scores"), [(2, [BAD, GOOD]), (1, [BAD, BAD, GOOD]), (0, [BAD, BAD, BAD, GOOD])])
def test_a_streak_that_is_full_within_the_batch_trips_whatever_follows(
    world: World, before: int, scores: list[float]
) -> None:
    with world.committed() as breaker:
        for _ in range(before):
            breaker.report_drift(BAD)
    with world.session() as session:
        for score in scores:
            late(world, session).report_drift(score)
        session.commit()
    row = world.row()
    assert (row["status"], row["failures"], row["trip_count"]) == ("open", 3, 1)


@given(
    before=st.integers(0, 3),
    threshold=st.integers(1, 4),
    scores=st.lists(st.sampled_from([BAD, GOOD]), min_size=1, max_size=9),
    auto_disable=st.booleans(),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_folded_reports_do_what_one_by_one_would(
    world: World, before: int, threshold: int, scores: list[float], auto_disable: bool
) -> None:
    clock = ManualClock()
    count_only = BreakerSettings(failure_threshold=99)
    chosen = BreakerSettings(failure_threshold=threshold, auto_disable=auto_disable)
    with world.session() as session:
        for name in ("late", "now"):
            for _ in range(before):
                world.breaker(session, name, settings=count_only, clock=clock).report_drift(BAD)
        for score in scores:
            late(world, session, "late", settings=chosen, clock=clock).report_drift(score)
            world.breaker(session, "now", settings=chosen, clock=clock).report_drift(score)
        session.commit()
    late_row, now_row = (world_row(world, name) for name in ("late", "now"))
    assert late_row == now_row
    with world.outside.begin() as connection:
        for table in (TABLES.breakers, TABLES.incidents, TABLES.history, TABLES.outbox):
            connection.execute(table.delete())


def world_row(world: World, name: str) -> list[Any]:
    """The breaker's row as far as both ways must agree; none at all reads as one without a streak."""
    found = [row for row in world.rows("breakers") if row["name"] == name]
    compared = ("status", "failures", "generation", "version", "trip_count", "opened_at", "until")
    return [row[column] for row in found for column in compared]
