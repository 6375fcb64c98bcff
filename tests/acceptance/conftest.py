"""What the acceptance tests share."""

from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import Session, sessionmaker
from tests.support.terminal import Place


@pytest.fixture
def sessions(sqlite_url: str) -> Iterator[sessionmaker[Session]]:
    """An application's session factory, on a database with the tables in place."""
    engine = create_engine(sqlite_url)
    yield sessionmaker(engine)
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """A database that the command line is pointed at."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    engine = create_engine(url)
    yield Place(url, engine)
    engine.dispose()
