"""Where the demo runs: a temporary SQLite file, or the database behind `--db`."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Engine, create_engine
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from driftbreaker import metadata
from driftbreaker.cli.demo.application import application

if TYPE_CHECKING:
    from collections.abc import Iterator

_BACKENDS = ("sqlite", "postgresql")
_DISTRIBUTIONS = {"psycopg": "psycopg[binary]", "psycopg2": "psycopg2-binary"}
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
    shown = url.render_as_string(hide_password=True)
    engine = _engine(url)
    # The file of a temporary folder can only be deleted everywhere once nobody has it open.
    try:
        with _told_in_one_line(shown):
            metadata.create_all(engine)
            application.create_all(engine)
            yield Database(engine, shown, temporary)
    finally:
        engine.dispose()


def _checked(text: str) -> URL:
    # SQLAlchemy's own messages repeat the text, which may hold a password.
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise DemoError(f"--db takes a database URL and cannot read this one: try {_EXAMPLES}") from None
    try:
        dialect = url.get_dialect()
    except NoSuchModuleError:
        raise DemoError(f"no database is called {url.drivername!r}: try {_EXAMPLES}") from None
    except ModuleNotFoundError as error:
        raise DemoError(_missing_driver(error)) from None
    if url.get_backend_name() not in _BACKENDS:
        raise DemoError(f"driftbreaker speaks SQLite and PostgreSQL, not {url.get_backend_name()}: try {_EXAMPLES}")
    if dialect.is_async:
        raise DemoError(f"{url.drivername} is an async driver and the demo is not: try {_EXAMPLES}")
    if url.get_backend_name() == "sqlite" and _in_memory(url):
        raise DemoError(
            "the demo looks at its rows from a second connection, which an in-memory SQLite has not: "
            "name a file, as in sqlite:///demo.db"
        )
    return url


def _in_memory(url: URL) -> bool:
    return not url.database or ":memory:" in url.database or url.query.get("mode") == "memory"


def _engine(url: URL) -> Engine:
    try:
        return create_engine(url)
    except ModuleNotFoundError as error:
        raise DemoError(_missing_driver(error)) from None


def _missing_driver(error: ModuleNotFoundError) -> str:
    driver = error.name or str(error)
    return f"the driver {driver} is not installed: pip install '{_DISTRIBUTIONS.get(driver, driver)}'"


@contextmanager
def _told_in_one_line(shown: str) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        reason = str(error.orig).strip().splitlines()
        raise DemoError(f"cannot use {shown}: {reason[0] if reason else type(error.orig).__name__}") from None
