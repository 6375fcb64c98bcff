"""Where odd arguments are tried."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, create_engine

from driftbreaker import metadata
from driftbreaker.testing import PostgresServer
from tests.support.desk import Desk
from tests.support.size import LONG

PLACES = ["sqlite", "postgresql"] if LONG else ["sqlite"]


@pytest.fixture(scope="module", params=PLACES)
def desk(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    engine = _engine(request, tmp_path_factory)
    yield Desk(engine)
    engine.dispose()


@pytest.fixture(scope="module", params=PLACES)
def outbox(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Another database: what relays do there, they commit."""
    engine = _engine(request, tmp_path_factory)
    metadata.create_all(engine)
    yield engine
    engine.dispose()


def _engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    if request.param == "sqlite":
        return create_engine(f"sqlite:///{tmp_path_factory.mktemp('scale') / 'breakers.db'}")
    server: PostgresServer = request.getfixturevalue("postgres")
    return create_engine(server.url(server.create_database()))
