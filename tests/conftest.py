"""Databases for every test: one PostgreSQL per run, one database per test, cloned from a template."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine

import driftbreaker
from driftbreaker.testing import PostgresServer, postgres_server
from tests.support.worlds import CHOSEN, World

FROM_OUTSIDE = (
    "COSTSIM_",
    "ALERTMANAGER_",
    "DRIFTBREAKER_DATABASE_URL",
    "DRIFTBREAKER_BY",
    "DRIFTBREAKER_SCHEMA",
    "DRIFTBREAKER_TABLE_PREFIX",
    "DRIFTBREAKER_WEBHOOK_",
    "DRIFTBREAKER_APPRISE_URLS",
    "DRIFTBREAKER_INCIDENT_DIR",
    "DRIFTBREAKER_FORCE_OFF",
)


# Whoever starts the tests in the background has them ignore Ctrl-C and SIGQUIT, and every child inherits that: a pooler
# would not hear of its end.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    version = os.environ.get("DRIFTBREAKER_PG_VERSION")
    with postgres_server(version=int(version) if version else None) as server:
        yield server


@pytest.fixture(scope="session")
def postgres_template(postgres: PostgresServer) -> str:
    name = postgres.create_database()
    _create_tables(create_engine(postgres.url(name)))
    return name


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "template.db"
    _create_tables(create_engine(f"sqlite:///{path}"))
    return path


def _create_tables(engine: Engine) -> None:
    driftbreaker.metadata.create_all(engine)
    engine.dispose()


@pytest.fixture
def postgres_database(postgres: PostgresServer, postgres_template: str) -> Iterator[str]:
    name = postgres.create_database(postgres_template)
    yield name
    postgres.drop_database(name)


@pytest.fixture
def sqlite_database(sqlite_template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(sqlite_template, tmp_path / "breakers.db"))


@pytest.fixture
def sqlite_url(sqlite_database: Path) -> str:
    return f"sqlite:///{sqlite_database}"


@pytest.fixture
def postgres_url(postgres: PostgresServer, postgres_database: str) -> str:
    return postgres.url(postgres_database)


@pytest.fixture(params=CHOSEN)
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """The same promises on every driver."""
    driver: str = request.param
    yield from _world(driver, request)


@pytest.fixture(params=[driver for driver in CHOSEN if "sqlite" not in driver])
def postgres_world(request: pytest.FixtureRequest) -> Iterator[World]:
    yield from _world(request.param, request)


@pytest.fixture(params=[driver for driver in CHOSEN if "sqlite" in driver])
def sqlite_world(request: pytest.FixtureRequest) -> Iterator[World]:
    yield from _world(request.param, request)


def _world(driver: str, request: pytest.FixtureRequest) -> Iterator[World]:
    if "sqlite" in driver:
        plain: str = request.getfixturevalue("sqlite_url")
        url = plain.replace("sqlite://", "sqlite+aiosqlite://") if driver == "aiosqlite" else plain
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        database: str = request.getfixturevalue("postgres_database")
        plain = server.url(database)
        url = server.url(database, "asyncpg") if driver == "asyncpg" else plain
    world = World(driver, url, create_engine(plain))
    yield world
    world.close()


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a developer's shell exports must not decide a test."""
    for variable in list(os.environ):
        if variable.startswith(FROM_OUTSIDE) or variable == "INSTANCE_ID":
            monkeypatch.delenv(variable)
