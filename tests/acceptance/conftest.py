"""What the acceptance tests share."""

from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import Session, sessionmaker


@pytest.fixture
def sessions(sqlite_url: str) -> Iterator[sessionmaker[Session]]:
    """An application's session factory, on a database with the tables in place."""
    engine = create_engine(sqlite_url)
    yield sessionmaker(engine)
    engine.dispose()
