"""Where odd arguments are tried."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine

from driftbreaker.testing import PostgresServer
from tests.support.desk import LONG, Desk


@pytest.fixture(scope="module", params=["sqlite", "postgresql"] if LONG else ["sqlite"])
def desk(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    if request.param == "sqlite":
        path = tmp_path_factory.mktemp("scale") / "breakers.db"
        engine = create_engine(f"sqlite:///{path}")
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        engine = create_engine(server.url(server.create_database()))
    yield Desk(engine)
    engine.dispose()
