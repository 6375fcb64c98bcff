"""Opens databases, and turns what keeps them from working into one sentence without a password."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.orm import Session

from driftbreaker.cli.exits import CannotTell, Failure, NotAllowed
from driftbreaker.outbox import Ledger
from driftbreaker.tables import Tables, default_tables

EXAMPLES = "sqlite:///app.db or postgresql+psycopg://user@host/database"
CONNECT_TIMEOUT = 10
_BACKENDS = ("sqlite", "postgresql")
_DISTRIBUTIONS = {"psycopg": "psycopg[binary]", "psycopg2": "psycopg2-binary"}
_MISSING_TABLES = ("42P01", "3F000")
_NOT_ALLOWED = ("42501", "25006")


@dataclass(frozen=True)
class Database:
    """An engine, its URL as it may be shown, and the tables in it."""

    engine: Engine
    shown: str
    tables: Tables

    @property
    def ledger(self) -> Ledger:
        """The outbox in it."""
        return Ledger(self.tables)

    @contextmanager
    def session(self, *, keeps: bool = True) -> Iterator[Session]:
        """Yield a session in a transaction that commits at the end; one that does not keep anything rolls back."""
        with Session(self.engine) as session, session.begin():
            yield session
            if not keeps:
                session.rollback()


@contextmanager
def opened(text: str, *, may_make: bool = False, dry: bool = False) -> Iterator[Database]:
    """Yield the database of a URL; raise Failure for whatever the database does to the commands inside."""
    url = checked_url(text)
    missing = url.get_backend_name() == "sqlite" and _is_missing(url, may_make)
    shown = shown_url(url)
    # SQLite would make the file at the first look.
    engine = engine_of(make_url("sqlite://") if missing and dry else url)
    try:
        with told_in_one_sentence(url):
            yield Database(engine, shown, default_tables())
    finally:
        engine.dispose()


def checked_url(text: str, who: str = "the command line", examples: str = EXAMPLES) -> URL:
    """Return a URL that `who` can use. Raises Failure, which shows no part that may be a password."""
    # SQLAlchemy's own messages repeat the text.
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise CannotTell(f"--db takes a database URL and cannot read this one: try {examples}") from None
    try:
        dialect = url.get_dialect()
    except NoSuchModuleError:
        called = "'postgres', but postgresql" if url.drivername == "postgres" else repr(url.drivername)
        raise CannotTell(f"no database is called {called}: try {examples}") from None
    except ModuleNotFoundError as error:
        raise CannotTell(_missing_driver(error)) from None
    if url.get_backend_name() not in _BACKENDS:
        raise CannotTell(f"driftbreaker speaks SQLite and PostgreSQL, not {url.get_backend_name()}: try {examples}")
    if dialect.is_async:
        raise CannotTell(f"{url.drivername} is an async driver and {who} is not: try {examples}")
    return url


def engine_of(url: URL) -> Engine:
    """Return an engine that does not wait for ever for a server that never answers."""
    patience: dict[str, Any] = {}
    if url.get_backend_name() == "postgresql" and "connect_timeout" not in url.query:
        patience = {"connect_timeout": CONNECT_TIMEOUT} if "PGCONNECT_TIMEOUT" not in os.environ else {}
    try:
        return create_engine(url, connect_args=patience)
    except ModuleNotFoundError as error:
        raise CannotTell(_missing_driver(error)) from None
    except (ArgumentError, TypeError, ValueError):
        raise CannotTell(f"{shown_url(url)} has parameters that no database takes") from None


def shown_url(url: URL) -> str:
    """Return a URL without its password, also where that stands among the parameters."""
    hidden = {name: "***" for name in url.query if "password" in name.lower()}
    return url.update_query_dict(hidden).render_as_string(hide_password=True).replace("%2A%2A%2A", "***")


def in_memory(url: URL) -> bool:
    """Return whether a SQLite URL names no file."""
    return not url.database or ":memory:" in url.database or url.query.get("mode") == "memory"


@contextmanager
def told_in_one_sentence(url: URL) -> Iterator[None]:
    """Raise Failure instead of what the database raises."""
    try:
        yield
    except DBAPIError as error:
        raise _failure(error, url) from None
    except SQLAlchemyError as error:
        raise CannotTell(f"cannot use {shown_url(url)}: {_first_line(error, url)}") from None


def _failure(error: DBAPIError, url: URL) -> Failure:
    shown, said = shown_url(url), _first_line(error.orig, url)
    code = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)
    if code in _MISSING_TABLES or "no such table" in said:
        return CannotTell(f"the tables of driftbreaker are not in {shown}: driftbreaker schema create makes them")
    if code == "42703" or "no such column" in said:
        return CannotTell(f"the tables in {shown} are another version's: {said}")
    if code in _NOT_ALLOWED or "readonly database" in said:
        return NotAllowed(f"this is not allowed in {shown}: {said}")
    return CannotTell(f"cannot use {shown}: {said}")


def _first_line(error: BaseException | None, url: URL) -> str:
    lines = str(error).strip().splitlines()
    said = lines[0] if lines else type(error).__name__
    return said.replace(url.password, "***") if url.password else said


def _is_missing(url: URL, may_make: bool) -> bool:
    """Return whether the file has yet to be made. Raises CannotTell where nobody may, or nobody can."""
    if in_memory(url):
        raise CannotTell("an in-memory SQLite has no rows of anybody's: name a file, as in sqlite:///app.db")
    if not url.database or url.database.startswith("file:") or Path(url.database).exists():
        return False
    # SQLite would make an empty file of a misspelt name.
    if not may_make:
        raise CannotTell(f"there is no file {url.database}: check the URL")
    if not Path(url.database).absolute().parent.is_dir():
        raise CannotTell(f"there is no folder for the file {url.database}: check the URL")
    return True


def _missing_driver(error: ModuleNotFoundError) -> str:
    driver = error.name or str(error)
    return f"the driver {driver} is not installed: pip install '{_DISTRIBUTIONS.get(driver, driver)}'"
