"""Where the demo runs: a temporary SQLite file, or the database behind `--db`."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Engine
from sqlalchemy.engine import URL

from driftbreaker import metadata
from driftbreaker.cli.demo.application import application
from driftbreaker.cli.engine import checked_url, engine_of, in_memory, shown_url, told_in_one_sentence
from driftbreaker.cli.exits import Failure

if TYPE_CHECKING:
    from collections.abc import Iterator

_EXAMPLES = "sqlite:///demo.db or postgresql+psycopg://user@host/database"


class DemoError(Exception):
    """The demo cannot run here; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Database:
    """An engine with the tables in place, and its URL as it may be shown."""

    engine: Engine
    shown: str
    temporary: bool


@contextmanager
def open_database(url: str | None) -> Iterator[Database]:
    """Yield the database of `url`, or of a temporary SQLite file that is deleted afterwards.

    Creates the tables that are missing and drops none. Raises DemoError when it cannot.
    """
    if url is not None:
        yield from _opened(_checked(url), temporary=False)
        return
    with tempfile.TemporaryDirectory(prefix="driftbreaker-demo-") as folder:
        yield from _opened(URL.create("sqlite", database=str(Path(folder) / "demo.db")), temporary=True)


def _opened(url: URL, *, temporary: bool) -> Iterator[Database]:
    with _as_demo_error():
        engine = engine_of(url)
    # The file of a temporary folder can only be deleted everywhere once nobody has it open.
    try:
        with _as_demo_error(), told_in_one_sentence(url):
            metadata.create_all(engine)
            application.create_all(engine)
            yield Database(engine, shown_url(url), temporary)
    finally:
        engine.dispose()


def _checked(text: str) -> URL:
    with _as_demo_error():
        url = checked_url(text, "the demo", _EXAMPLES)
    if url.get_backend_name() == "sqlite" and in_memory(url):
        raise DemoError(
            "the demo looks at its rows from a second connection, which an in-memory SQLite has not: "
            "name a file, as in sqlite:///demo.db"
        )
    return url


@contextmanager
def _as_demo_error() -> Iterator[None]:
    try:
        yield
    except Failure as error:
        raise DemoError(error.message) from None
