"""Exact counters: how many statements, which locks, how much of the log. They pass or fail hard."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from driftbreaker.testing import ManualClock
from tests.contract.steps import BAD, GOOD, trip
from tests.support.worlds import World


def cost(world: World, call: Any) -> int:
    with world.watch() as seen:
        call()
    return len(seen)


def test_check_is_one_statement(world: World) -> None:
    with world.committed() as breaker:
        assert cost(world, breaker.is_disabled) == 1
        trip(breaker)
        assert cost(world, breaker.is_disabled) == 1
        assert cost(world, breaker.is_open) == 1
        assert cost(world, breaker.get_state) == 1
    with world.committed(scope="gpt-4") as scoped:
        assert cost(world, scoped.is_disabled) == 1


def test_healthy_report_is_one_statement(world: World) -> None:
    with world.committed() as breaker:
        assert cost(world, lambda: breaker.report_drift(GOOD)) == 1
        breaker.report_drift(BAD)
        breaker.report_drift(GOOD)
    with world.committed() as breaker:
        assert cost(world, lambda: breaker.report_drift(GOOD)) == 1


PAGE = Path(__file__).parents[2] / "docs" / "transactions.md"
ROW = re.compile(r"\| (?P<call>[^|]+) \| (?P<most>\d+)(?: \(SQLite (?P<sqlite>\d+)\))? \| [^|]+ \|")


def said(dialect: str) -> dict[str, int]:
    """What the page on transactions says that each call costs."""
    rows = filter(None, map(ROW.fullmatch, PAGE.read_text().splitlines()))
    return {row["call"]: int((row["sqlite"] if dialect == "sqlite" else None) or row["most"]) for row in rows}


def bad(breaker: Any) -> Any:
    return breaker.report_drift(BAD)


def good(breaker: Any) -> Any:
    return breaker.report_drift(GOOD)


def schema_error(breaker: Any) -> Any:
    return breaker.report_schema_error()


#: Each row of the page: what happened before, in transactions of its own, and what is called then.
CALLS: dict[str, tuple[list[Any], Any]] = {
    "`is_disabled()`, `is_open()`, `get_state()`": ([trip], lambda breaker: breaker.is_disabled()),
    "`is_disabled()` on an expired breaker": ([trip, "expire"], lambda breaker: breaker.is_disabled()),
    "`report_drift`, not bad, no streak": ([bad, good], good),
    "`report_drift`, not bad, clears a streak": ([bad], good),
    "`report_drift`, bad": ([bad, good], bad),
    "`report_drift`, bad, the first ever": ([], bad),
    "`report_drift` that trips": ([bad, bad], bad),
    "`report_drift` on an open breaker": ([trip], bad),
    "`report_schema_error`": ([schema_error], schema_error),
    "`report_schema_error`, the first ever": ([], schema_error),
    "`report_schema_error` on an open breaker": ([trip], schema_error),
}


@pytest.mark.parametrize("row", CALLS)
def test_each_call_costs_what_the_page_says(world: World, row: str) -> None:
    clock = ManualClock()
    before, call = CALLS[row]
    for step in before:
        if step == "expire":
            clock.advance(timedelta(hours=24))
            continue
        with world.committed(clock=clock) as breaker:
            step(breaker)
    with world.committed(clock=clock) as breaker:
        assert cost(world, lambda: call(breaker)) == said(world.dialect)[row]


def test_the_page_is_read(world: World) -> None:
    assert said(world.dialect).keys() == CALLS.keys()


def test_every_read_is_one_statement(world: World) -> None:
    with world.committed() as breaker:
        trip(breaker)
        for read in (breaker.is_open, breaker.is_closed, breaker.get_state, breaker.get_incidents, breaker.get_history):
            assert cost(world, read) == 1


def test_changes_by_hand_cost_one_to_ten_statements(world: World) -> None:
    until = datetime.now(UTC) + timedelta(hours=1)
    changes = [
        lambda breaker: breaker.enable("nothing to do", actor="alice"),
        lambda breaker: breaker.disable("off", actor="alice"),
        lambda breaker: breaker.disable("for another reason", actor="bob"),
        lambda breaker: breaker.hold("until then", actor="carol", until=until),
        lambda breaker: breaker.force_on("on", actor="dave", until=until),
        lambda breaker: breaker.disable("off again", actor="alice"),
        lambda breaker: breaker.reset("on again", actor="alice"),
    ]
    costs = []
    for change in changes:
        with world.committed() as breaker:
            costs.append(cost(world, lambda change=change, breaker=breaker: change(breaker)))
    assert min(costs) == 1
    assert max(costs) <= 10


def test_inside_a_transaction_sqlite_need_not_look_first(sqlite_world: World) -> None:
    with sqlite_world.committed() as breaker:
        bad(breaker)
        bad(breaker)
        assert cost(sqlite_world, lambda: bad(breaker)) == said("sqlite")["`report_drift` that trips"] - 1


def test_check_works_in_a_read_only_transaction(postgres_world: World) -> None:
    world = postgres_world
    with world.committed() as breaker:
        trip(breaker)
    with world.session() as session:
        session.connection(execution_options={"postgresql_readonly": True})
        breaker = world.breaker(session)
        assert breaker.is_disabled() is True
        assert breaker.get_state().is_open
        assert len(breaker.get_incidents()) == 1
        session.commit()


def explain(world: World, session: Any, call: Any) -> dict[str, Any]:
    """Run a call's one statement again, under EXPLAIN (ANALYZE, WAL), with the parameters that it had."""
    from sqlalchemy import event

    sent: list[tuple[str, Any]] = []

    def keep(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        sent.append((statement, parameters))

    event.listen(world.sync_engine, "before_cursor_execute", keep)
    call()
    event.remove(world.sync_engine, "before_cursor_execute", keep)
    ((statement, parameters),) = sent
    connection = session.connection()
    driver = getattr(connection, "target", connection)
    found: list[Any] = []
    for _ in range(2):  # the first execution may set hint bits
        run = driver.exec_driver_sql(f"EXPLAIN (ANALYZE, WAL, FORMAT JSON) {statement}", parameters)
        answer = (world.call(lambda run=run: run) if world.is_async else run).scalar_one()
        found.append(json.loads(answer) if isinstance(answer, str) else answer)
    plan: dict[str, Any] = found[-1][0]["Plan"]
    return plan


def takes_no_transaction_id(session: Any) -> bool:
    return session.execute(text("SELECT pg_current_xact_id_if_assigned() IS NULL")).scalar_one() is True


def row_locks(world: World) -> int:
    """Tuples of ours that carry a locker: xmax is set by a row lock as well as by an update."""
    with world.outside.connect() as connection:
        return int(
            connection.execute(text("SELECT count(*) FROM driftbreaker_breakers WHERE xmax <> '0'::xid")).scalar_one()
        )


def test_check_writes_no_wal_and_takes_no_lock(postgres_world: World) -> None:
    world = postgres_world
    with world.committed() as breaker:
        breaker.disable("off", actor="alice")
    locked = row_locks(world)
    with world.session() as session:
        breaker = world.breaker(session)
        plan = explain(world, session, breaker.is_disabled)
        assert plan["WAL Records"] == plan["WAL Bytes"] == 0
        assert takes_no_transaction_id(session)
        session.commit()
    assert row_locks(world) == locked


def test_healthy_report_writes_no_row_and_takes_no_transaction_id(postgres_world: World) -> None:
    world = postgres_world
    with world.committed() as breaker:
        breaker.report_drift(BAD)
        breaker.report_drift(GOOD)
    before = world.row()
    with world.session() as session:
        breaker = world.breaker(session)
        plan = explain(world, session, lambda: breaker.report_drift(GOOD))
        assert plan["WAL Records"] == 0
        assert takes_no_transaction_id(session)
        session.commit()
    assert world.row() == before


def test_bad_report_on_an_open_breaker_takes_no_lock_and_no_transaction_id(postgres_world: World) -> None:
    world = postgres_world
    with world.committed() as breaker:
        trip(breaker)
    locked = row_locks(world)
    with world.session() as session:
        breaker = world.breaker(session)
        breaker.report_drift(BAD)
        breaker.report_schema_error(9)
        assert takes_no_transaction_id(session)
        session.commit()
    assert row_locks(world) == locked


def test_check_reads_by_the_primary_key(postgres_world: World) -> None:
    world = postgres_world
    with world.outside.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO driftbreaker_breakers (name, changed_at) "
                "SELECT 'b' || n, now() FROM generate_series(1, 5000) n"
            )
        )
        connection.execute(text("ANALYZE driftbreaker_breakers"))
    with world.session() as session:
        plan = explain(world, session, world.breaker(session, "b17").is_disabled)
        assert plan["Node Type"] == "Index Scan"
        assert plan["Index Name"] == "driftbreaker_breakers_pkey"


def test_counting_keeps_to_the_page(postgres_world: World) -> None:
    """Heap-only updates: counting touches no index, so that a flapping breaker bloats none."""
    world = postgres_world
    for _ in range(50):
        with world.committed() as breaker:
            breaker.report_drift(BAD)
            breaker.report_drift(GOOD)
    with world.outside.connect() as connection:
        connection.execute(text("SELECT pg_stat_force_next_flush()"))
    updates = text("SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'driftbreaker_breakers'")
    with world.session() as session:
        session.execute(text("SELECT pg_stat_force_next_flush()"))
        session.commit()
        total, hot = session.execute(updates).one()
    assert total >= 99
    assert hot / total >= 0.95


def test_recovery_by_a_check_is_written_once(postgres_world: World) -> None:
    world, clock = postgres_world, ManualClock()
    with world.committed(clock=clock) as breaker:
        trip(breaker)
        clock.advance(timedelta(hours=24))
        breaker.is_disabled()
        assert cost(world, breaker.is_disabled) == 1
