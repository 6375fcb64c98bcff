"""One crowd of processes for all races, and the databases that they race on."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest

from tests.support.crowd import Crowd, Place
from tests.support.worlds import World


@pytest.fixture(scope="session")
def crowd() -> Iterator[Crowd]:
    crowd = Crowd()
    yield crowd
    crowd.dismiss()


@pytest.fixture(params=["sqlite", "psycopg"])
def place(request: pytest.FixtureRequest) -> Place:
    """A fresh database: sqlite is in its default journal, sqlite-wal in the other; a real BEGIN stands behind them."""
    kind, _, begin = request.param.partition(" ")
    if kind in ("sqlite", "sqlite-wal"):
        path = request.getfixturevalue("sqlite_database")
        if kind == "sqlite-wal":
            connection = sqlite3.connect(path)
            assert connection.execute("PRAGMA journal_mode = WAL").fetchone() == ("wal",)
            connection.close()
        return Place("sqlite", f"sqlite:///{path}", f"sqlite:///{path}", begin or None)
    server, database = (request.getfixturevalue(name) for name in ("postgres", "postgres_database"))
    url = server.url(database, "asyncpg") if kind == "asyncpg" else server.url(database)
    return Place(kind, url, server.url(database))


@pytest.fixture
def world(place: Place) -> Iterator[World]:
    """The same database, seen from the process of the tests."""
    with place.open() as world:
        yield world
