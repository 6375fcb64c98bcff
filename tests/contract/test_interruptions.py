"""A call that is interrupted between its statements leaves nothing that could be committed by half."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import PendingRollbackError

from driftbreaker import BreakerSettings, HalfWrittenError
from tests.contract.test_database_errors import WRITERS
from tests.support.worlds import World

AT_ONCE = BreakerSettings(failure_threshold=1)


class SoftTimeLimit(Exception):  # noqa: N818
    """What a task queue raises, from a signal handler, wherever the worker happens to be."""


@contextmanager
def interrupted(world: World, error: type[BaseException], when: Callable[[str], bool]) -> Iterator[None]:
    """Raise `error` instead of sending the first statement that `when` says."""

    def interrupt(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if when(statement):
            raise error

    event.listen(world.sync_engine, "before_cursor_execute", interrupt)
    try:
        with pytest.raises(error):
            yield
    finally:
        event.remove(world.sync_engine, "before_cursor_execute", interrupt)


def writes_to(table: str) -> Callable[[str], bool]:
    return lambda statement: f"INSERT INTO driftbreaker_{table}" in statement


@pytest.fixture
def counted(world: World) -> World:
    with world.committed(settings=AT_ONCE) as breaker:
        breaker.report_schema_error(1)
    return world


@pytest.mark.parametrize("error", [asyncio.CancelledError, SoftTimeLimit])
@pytest.mark.parametrize("table", ["incidents", "history"])
def test_half_a_trip_cannot_be_committed(counted: World, table: str, error: type[BaseException]) -> None:
    before = counted.everything()
    with counted.session() as session:
        with interrupted(counted, error, writes_to(table)):
            counted.breaker(session, settings=AT_ONCE).report_drift(0.5)
        with pytest.raises(HalfWrittenError, match="report_drift on breaker 'pricing' was interrupted"):
            session.commit()
        session.rollback()
        session.commit()
    assert counted.everything() == before
    with counted.committed(settings=AT_ONCE) as breaker:
        assert breaker.report_drift(0.5) is not None


@pytest.mark.parametrize("operation", ["disable", "force_on", "report_schema_error"])
def test_half_of_any_other_change_cannot_be_committed(counted: World, operation: str) -> None:
    call = WRITERS[operation] if operation != "report_schema_error" else lambda b: b.report_schema_error(9)
    before = counted.everything()
    with counted.session() as session:
        with interrupted(counted, asyncio.CancelledError, writes_to("history")):
            call(counted.breaker(session))
        with pytest.raises(HalfWrittenError, match=f"{operation} on breaker 'pricing' was interrupted"):
            session.commit()
        session.rollback()
    assert counted.everything() == before


@pytest.mark.parametrize("score", [0.1, 0.5])
def test_half_of_a_report_with_other_settings_cannot_be_committed(counted: World, score: float) -> None:
    with counted.committed(settings=BreakerSettings(failure_threshold=3)) as breaker:
        breaker.report_drift(0.5)
    before = counted.everything()
    with counted.session() as session:
        with interrupted(counted, asyncio.CancelledError, lambda statement: " settings=" in statement):
            counted.breaker(session, settings=BreakerSettings(failure_threshold=4)).report_drift(score)
        with pytest.raises(HalfWrittenError, match="report_drift on breaker 'pricing' was interrupted"):
            session.commit()
        session.rollback()
    assert counted.everything() == before


def test_an_error_before_anything_was_written_leaves_the_transaction_usable(counted: World) -> None:
    before = counted.everything()
    with counted.session() as session:
        with interrupted(counted, SoftTimeLimit, lambda _: True):
            counted.breaker(session, settings=AT_ONCE).report_drift(0.5)
        session.commit()
    assert counted.everything() == before


def test_an_interrupted_check_leaves_the_transaction_usable(counted: World) -> None:
    with counted.session() as session:
        counted.breaker(session, "other").report_drift(0.5)
        with interrupted(counted, SoftTimeLimit, lambda _: True):
            counted.breaker(session).is_disabled()
        session.commit()
    assert counted.row("other")["failures"] == 1


@pytest.mark.parametrize("postgres_world", ["psycopg-async", "asyncpg"], indirect=True)
def test_a_report_cancelled_while_it_waits_for_the_row_leaves_nothing(postgres_world: World) -> None:
    world = postgres_world
    with world.committed(settings=AT_ONCE) as breaker:
        breaker.report_schema_error(1)
    before = world.everything()
    with world.session() as session:
        breaker = world.breaker(session, settings=AT_ONCE)
        breaker.is_disabled()
        with world.outside.connect() as connection:
            connection.execute(text("SELECT 1 FROM driftbreaker_breakers FOR UPDATE"))

            async def give_up() -> None:
                await asyncio.wait_for(breaker.target.report_drift(0.5), 0.1)

            with pytest.raises(TimeoutError):
                world.call(give_up)
            connection.rollback()
        with pytest.raises(PendingRollbackError):
            session.commit()
        session.rollback()
        assert world.everything() == before
        assert breaker.report_drift(0.5) is not None
        session.commit()
    assert world.count("incidents") == 1
