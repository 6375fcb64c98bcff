"""A breaker that is locked and looked at: what it says stays so until the transaction ends."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from driftbreaker import store
from driftbreaker.model import Key
from driftbreaker.store.joined import Door
from tests.contract.steps import HOUR, trip
from tests.support.worlds import SETTINGS, TABLES, World


def locked(world: World, session: Any, *, scope: str = "", may_make: bool = False) -> store.Overview | None:
    door = Door(key=Key("pricing", scope), settings=SETTINGS, tables=TABLES, clock=None, owns_settings=False)

    def lock(inner: Session) -> store.Overview | None:
        with door.join(inner, "lock") as joined:
            return store.lock_overview(joined, may_make=may_make)

    found: store.Overview | None = session.run_sync(lock) if world.is_async else lock(session.target)
    return found


def write_from_outside(world: World) -> None:
    """Write to the breaker, or to SQLite's one file, waiting for nobody."""
    alone = ("PRAGMA busy_timeout = 0", "BEGIN IMMEDIATE")
    row = ("SELECT 1 FROM driftbreaker_breakers FOR UPDATE NOWAIT",)
    with world.outside.connect() as connection:
        for statement in alone if world.dialect == "sqlite" else row:
            connection.execute(text(statement))


def test_nobody_changes_it_until_the_transaction_ends(world: World) -> None:
    with world.committed() as breaker:
        trip(breaker)
    with world.session() as session:
        assert locked(world, session) is not None
        with pytest.raises(DBAPIError):
            write_from_outside(world)
        session.rollback()
        write_from_outside(world)


def test_it_says_what_the_state_says_and_writes_nothing(world: World) -> None:
    with world.committed() as breaker:
        incident = trip(breaker)
        state = breaker.get_state()
    before = world.everything()
    with world.session() as session:
        found = locked(world, session)
        session.commit()
    assert found is not None
    assert (found.state, found.incident) == (state, incident)
    assert found.settings is not None
    assert found.settings["failure_threshold"] == 3
    assert world.everything() == before


def test_of_what_is_not_on_record_it_says_nothing_and_makes_nothing(world: World) -> None:
    with world.session() as session:
        assert locked(world, session) is None
        session.commit()
    assert world.count("breakers") == 0


def test_an_empty_row_is_made_where_one_is_wanted(world: World) -> None:
    with world.session() as session:
        found = locked(world, session, may_make=True)
        assert found is not None
        assert (found.state.is_open, found.state.version, found.incident) == (False, 0, None)
        session.commit()
    assert (world.row()["status"], world.row()["settings"], world.count("history")) == ("closed", None, 0)


def test_a_scope_says_that_its_whole_is_open(world: World) -> None:
    with world.committed(scope="eu") as breaker:
        breaker.report_drift(0.5)
    with world.committed() as breaker:
        breaker.disable("wrong", actor="alice")
    with world.session() as session:
        found = locked(world, session, scope="eu")
    assert found is not None
    assert (found.state.is_open, found.state.open_scope, found.incident) == (True, "", None)


def test_one_whose_end_has_passed_says_so(world: World) -> None:
    with world.committed() as breaker:
        trip(breaker)
    world.age(25 * HOUR)
    with world.session() as session:
        found = locked(world, session)
    assert found is not None
    assert (found.state.is_open, found.incident) == (False, None)
