"""When SERIALIZABLE makes a check fail: only together with the host's own rows, and only as a plain SELECT would."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from tests.support.isolation import READERS, SERIALIZABLE, expect_retryable
from tests.support.worlds import World

READ = text("SELECT amount FROM orders WHERE id = 1")
WRITE = text("UPDATE orders SET amount = amount + 1 WHERE id = 1")


@pytest.fixture
def world(postgres_world: World) -> World:
    """A breaker that has counted once, and a table of the host's."""
    with postgres_world.outside.begin() as connection:
        connection.execute(text("CREATE TABLE orders (id integer PRIMARY KEY, amount integer NOT NULL)"))
        connection.execute(text("INSERT INTO orders VALUES (1, 0)"))
    with postgres_world.committed() as breaker:
        breaker.report_drift(0.5)
    return postgres_world


@contextmanager
def transaction(world: World, level: str = SERIALIZABLE, **options: Any) -> Iterator[Any]:
    with world.session() as session:
        session.connection(execution_options={"isolation_level": level, **options})
        session.execute(text("SELECT 1"))  # the snapshot is taken
        yield session


def disable(world: World, session: Any) -> None:
    assert world.breaker(session).disable("maintenance", actor="alice")[0]
    session.commit()


@pytest.mark.parametrize("reader", READERS)
def test_a_transaction_that_only_checks_commits_whatever_breakers_do_meanwhile(world: World, reader: str) -> None:
    with transaction(world) as caller, transaction(world) as other:
        breaker = world.breaker(caller)
        READERS[reader](breaker)
        disable(world, other)
        READERS[reader](breaker)
        READERS[reader](world.breaker(caller, "another"))
        caller.commit()


def test_a_caller_that_checks_and_writes_commits_unless_the_other_has_read_what_it_wrote(world: World) -> None:
    with transaction(world) as caller, transaction(world) as other:
        world.breaker(caller).is_disabled()
        caller.execute(WRITE)
        disable(world, other)
        assert world.breaker(caller).is_disabled() is False
        caller.commit()


def test_a_check_before_the_others_commit_is_told_at_the_callers_commit(world: World) -> None:
    """Each has read what the other wrote: no order of the two explains both. PostgreSQL ends the second to commit."""
    with transaction(world) as caller, transaction(world) as other:
        assert world.breaker(caller).is_disabled() is False
        caller.execute(WRITE)
        other.execute(READ)
        disable(world, other)
        with pytest.raises(DBAPIError) as caught:
            caller.commit()
        assert getattr(caught.value.orig, "sqlstate", None) == "40001"
        caller.rollback()
        assert world.breaker(caller).is_disabled() is True, "right after the retry"
        caller.execute(WRITE)
        caller.commit()


def test_a_check_after_the_others_commit_is_told_at_once(world: World) -> None:
    with transaction(world) as caller, transaction(world) as other:
        caller.execute(WRITE)
        other.execute(READ)
        disable(world, other)
        with pytest.raises(DBAPIError) as caught:
            world.breaker(caller).is_disabled()
        expect_retryable(caught.value, "is_disabled", "pricing")
        caller.rollback()
        assert world.breaker(caller).is_disabled() is True


@pytest.mark.parametrize("read_only", [False, True])
def test_even_a_caller_that_only_checks_can_see_what_no_order_explains(world: World, read_only: bool) -> None:
    """The read-only anomaly: a third commits first, and whoever disables has read the state from before that."""
    with transaction(world) as other:
        other.execute(READ)
        with transaction(world) as third:
            third.execute(WRITE)
            third.commit()
        with transaction(world, postgresql_readonly=read_only) as caller:
            disable(world, other)
            with pytest.raises(DBAPIError) as caught:
                world.breaker(caller).is_disabled()
            expect_retryable(caught.value, "is_disabled", "pricing")


@pytest.mark.parametrize("level", ["READ COMMITTED", "REPEATABLE READ"])
def test_a_change_made_below_serializable_makes_no_check_fail(world: World, level: str) -> None:
    with transaction(world) as caller, transaction(world, level) as other:
        world.breaker(caller).is_disabled()
        caller.execute(WRITE)
        other.execute(READ)
        disable(world, other)
        assert world.breaker(caller).is_disabled() is False
        caller.commit()


@pytest.mark.parametrize("level", ["READ COMMITTED", "REPEATABLE READ"])
def test_a_check_in_a_session_of_its_own_below_serializable_never_fails(world: World, level: str) -> None:
    with transaction(world) as caller, transaction(world) as other, transaction(world, level) as aside:
        assert world.breaker(aside).is_disabled() is False
        caller.execute(WRITE)
        other.execute(READ)
        disable(world, other)
        world.breaker(aside).is_disabled()
        aside.commit()
        caller.commit()


def test_checks_of_two_breakers_in_one_small_table_can_depend_on_each_other(world: World) -> None:
    """PostgreSQL reads a table of one page whole, and then depends on all of it: a retry, never a wrong answer."""
    with world.committed("another") as breaker:
        breaker.report_drift(0.5)
    with world.outside.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE driftbreaker_breakers"))
    with transaction(world) as one, transaction(world) as two:
        for session, name in ((one, "pricing"), (two, "another")):
            world.breaker(session, name).is_disabled()
        for session, name in ((one, "pricing"), (two, "another")):
            world.breaker(session, name).report_drift(0.5)
        one.commit()
        with pytest.raises(DBAPIError) as caught:
            two.commit()
        assert getattr(caught.value.orig, "sqlstate", None) == "40001"
        two.rollback()
        world.breaker(two, "another").report_drift(0.5)
        two.commit()
    assert (world.row()["failures"], world.row("another")["failures"]) == (2, 2)
