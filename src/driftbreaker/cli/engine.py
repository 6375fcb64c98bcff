"""Opens databases, and turns what keeps them from working into one sentence without a password."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, create_engine
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from driftbreaker import store
from driftbreaker.cli.environment import setting
from driftbreaker.cli.exits import CannotTell, Failure, NotAllowed, TimedOut, Usage
from driftbreaker.cli.options import PATIENCE, PREFIX, SCHEMA, SQLITE_PATIENCE, given
from driftbreaker.cli.text import plain
from driftbreaker.errors import InvalidArgumentError
from driftbreaker.store.passwords import hide_passwords
from driftbreaker.tables import Tables, default_tables

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.orm import Session

    from driftbreaker.outbox import Ledger

EXAMPLES = "sqlite:///app.db or postgresql+psycopg://user@host/database"
CONNECT_TIMEOUT = 10
_BACKENDS = ("sqlite", "postgresql")
_DISTRIBUTIONS = {"psycopg": "psycopg[binary]", "psycopg2": "psycopg2-binary"}
_MISSING_TABLES = ("42P01", "3F000")
_NOT_ALLOWED = ("42501", "25006")
_LOCKED = ("55P03",)
_SLOW = ("57014",)

# What goes wrong is told in one sentence. They also log some of it, with a traceback where Ctrl-C is pressed while a
# connection is closed, and Python prints what nobody handles.
for _talker in ("sqlalchemy", "psycopg"):
    logging.getLogger(_talker).addHandler(logging.NullHandler())


@dataclass(frozen=True)
class Database:
    """An engine, its URL and how that may be shown, the tables in it, and how many seconds it is waited for.

    `may_make`: whether SQLite may make the file.
    """

    engine: Engine
    url: URL
    tables: Tables
    wait: float
    may_make: bool = False

    @property
    def shown(self) -> str:
        """Its URL without a password."""
        return shown_url(self.url)

    @property
    def ledger(self) -> Ledger:
        """The outbox in it."""
        from driftbreaker.outbox import Ledger

        return Ledger(self.tables)

    def disconnect(self) -> None:
        """Hold no connection until the next session, which makes one within the time to connect."""
        self.engine.dispose()

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Yield a connection to look with: nothing of its transaction is kept. Raises Failure as `session` does.

        A quarter of what a command takes to start is SQLAlchemy's ORM, which a session needs and a look does not.
        """
        with told_in_one_sentence(self.url, self.wait), self.engine.connect() as connection:
            store.limit_waits(connection, self.tables, self.wait)
            yield connection

    @contextmanager
    def session(self, *, keeps: bool = True) -> Iterator[Session]:
        """Yield a session in a transaction that commits at the end; one that does not keep anything rolls back.

        Raises Failure for whatever the database does to it, also for making it wait.
        """
        from sqlalchemy.orm import Session

        _is_missing(self.url, self.may_make)
        with told_in_one_sentence(self.url, self.wait), Session(self.engine) as session, session.begin():
            store.limit_waits(session.connection(), self.tables, self.wait)
            yield session
            if not keeps:
                session.rollback()


@contextmanager
def opened(
    text: str, patience: float | None = None, *, may_make: bool = False, dry: bool = False
) -> Iterator[Database]:
    """Yield the database of a URL; raise Failure for whatever the database does to the commands inside."""
    url = checked_url(text)
    missing = _is_missing(url, may_make)
    wait = _default(url) if patience is None else patience
    # SQLite would make the file at the first look.
    engine = engine_of(make_url("sqlite://") if missing and dry else url, patience)
    try:
        with told_in_one_sentence(url, wait):
            yield Database(engine, url, tables_meant(), wait, may_make)
    finally:
        engine.dispose()


def tables_meant() -> Tables:
    """Return the tables of `--table-prefix` and `--schema`, or of the environment. Raises Usage."""
    prefix, schema = given("table_prefix") or setting(PREFIX), given("schema") or setting(SCHEMA)
    for name in (prefix, schema):
        # Every statement that is shown to people has it in it, as they are to run it.
        if name is not None and plain(name) != name:
            raise Usage(f"a table's name here has no control characters in it, got {name!r}")
    if prefix is None and schema is None:
        return default_tables()
    try:
        return Tables(schema=schema) if prefix is None else Tables(prefix, schema)
    except InvalidArgumentError as error:
        raise Usage(str(error)) from None


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


def engine_of(url: URL, patience: float | None = None) -> Engine:
    """Return an engine that does not wait for ever: not for a server that never answers, not for a file's lock."""
    try:
        return create_engine(url, connect_args=_waits(url, patience))
    except ModuleNotFoundError as error:
        raise CannotTell(_missing_driver(error)) from None
    except (ArgumentError, TypeError, ValueError):
        raise CannotTell(f"{shown_url(url)} has parameters that no database takes") from None


def _waits(url: URL, patience: float | None) -> dict[str, Any]:
    # What the URL says goes before an option, and that before the environment.
    if url.get_backend_name() == "sqlite":
        return {} if "timeout" in url.query else {"timeout": _default(url) if patience is None else patience}
    if "connect_timeout" in url.query or (patience is None and "PGCONNECT_TIMEOUT" in os.environ):
        return {}
    return {"connect_timeout": CONNECT_TIMEOUT if patience is None else math.ceil(patience)}


def _default(url: URL) -> float:
    # Who waits for SQLite's lock hears no Ctrl-C meanwhile.
    return SQLITE_PATIENCE if url.get_backend_name() == "sqlite" else PATIENCE


def shown_url(url: URL) -> str:
    """Return a URL without its password, also where that stands among the parameters."""
    hidden = {name: "***" for name in url.query if "password" in name.lower()}
    return url.update_query_dict(hidden).render_as_string(hide_password=True).replace("%2A%2A%2A", "***")


def in_memory(url: URL) -> bool:
    """Return whether a SQLite URL names no file."""
    return not url.database or ":memory:" in url.database or url.query.get("mode") == "memory"


@contextmanager
def told_in_one_sentence(url: URL, wait: float = PATIENCE) -> Iterator[None]:
    """Raise Failure instead of what the database raises; `wait` is how many seconds it was waited for."""
    try:
        yield
    except DBAPIError as error:
        raise _late(error, url, wait) or _failure(error, url) from None
    except SQLAlchemyError as error:
        raise CannotTell(f"cannot use {shown_url(url)}: {_first_line(error, url)}") from None


def _late(error: DBAPIError, url: URL, wait: float) -> TimedOut | None:
    shown, said, code = shown_url(url), _first_line(error.orig, url), _code(error)
    if code in _LOCKED or said.startswith(("database is locked", "database table is locked")):
        return TimedOut(f"somebody else holds a lock in {shown}, for longer than {wait:g} s: try again later")
    if code in _SLOW and "timeout" in said:
        return TimedOut(f"{shown} took longer than {wait:g} s to answer: try again, or give it a longer --timeout")
    if code is None and ("timeout expired" in said or "connection timeout" in said):
        return TimedOut(f"{shown} does not answer: {said}")
    return None


def _code(error: DBAPIError) -> str | None:
    code: str | None = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)
    return code


def _failure(error: DBAPIError, url: URL) -> Failure:
    shown, said, code = shown_url(url), _first_line(error.orig, url), _code(error)
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
    return hide_passwords(said, url)


def _is_missing(url: URL, may_make: bool) -> bool:
    """Return whether a file has yet to be made. Raises CannotTell where nobody may, or nobody can."""
    if url.get_backend_name() != "sqlite":
        return False
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
