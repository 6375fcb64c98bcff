"""A board is the first to connect on an engine that nobody has used yet."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy.dialects.postgresql.base import PGDialect

from driftbreaker.testing import PostgresServer
from tests.support.alertmanagers import eventually
from tests.support.watched import announced, running


@pytest.mark.parametrize("driver", ["psycopg", "psycopg-async", "asyncpg"])
def test_it_connects_once_before_it_connects_again(
    postgres: PostgresServer, postgres_database: str, driver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLAlchemy sets a dialect up with the first connection of all: a second one must not find it half set up."""
    initialize = PGDialect.initialize

    def slowly(self: Any, connection: Any) -> None:
        connection.exec_driver_sql("SELECT pg_sleep(0.5)")
        initialize(self, connection)

    monkeypatch.setattr(PGDialect, "initialize", slowly)
    through = "asyncpg" if driver == "asyncpg" else "psycopg"
    with announced() as said, running(driver, postgres.url(postgres_database, through), poll=5.0, stale_after=10.0):
        eventually(lambda: said.kinds()["listening"], "it listens")
        said.assert_just(fresh=1, listening=1)
