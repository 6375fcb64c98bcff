"""How long a transaction waits is a matter of that transaction alone."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, text

from driftbreaker import store
from tests.support.worlds import CHOSEN, TABLES, World

SYNC = [driver for driver in CHOSEN if driver in ("sqlite", "psycopg")]

pytestmark = pytest.mark.parametrize("world", SYNC, indirect=True)


def limits(world: World, connection: Connection) -> tuple[str, ...]:
    if world.dialect == "sqlite":
        return ()
    return tuple(
        connection.execute(text(f"SHOW {name}")).scalar_one() for name in ("lock_timeout", "statement_timeout")
    )


def test_an_answer_is_waited_for_a_second_longer_than_a_lock(world: World) -> None:
    with world.outside.connect() as connection:
        before = limits(world, connection)
        store.limit_waits(connection, TABLES, 1.5)
        assert limits(world, connection) in ((), ("1500ms", "2500ms"))
        connection.rollback()
        assert limits(world, connection) == before
        store.limit_waits(connection, TABLES, 0.0001)
        assert limits(world, connection) in ((), ("1ms", "1001ms")), "0 would be no limit at all"


def test_only_locks_are_limited_where_that_is_asked(world: World) -> None:
    with world.outside.connect() as connection:
        before = limits(world, connection)
        store.limit_lock_waits(connection, TABLES, 0.25)
        assert limits(world, connection) in ((), ("250ms", before[1] if before else ""))
        store.limit_lock_waits(connection, TABLES, 0.0001)
        assert limits(world, connection)[:1] in ((), ("1ms",))
        connection.commit()
        assert limits(world, connection) == before
