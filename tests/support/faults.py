"""What may ail a database, on SQLite and PostgreSQL: begun and ended at will."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import Engine, create_engine, event, text

import driftbreaker
from driftbreaker.testing import PostgresServer
from tests.support.full import Ceiling
from tests.support.line import Line
from tests.support.pooler import port_of

#: Makes the engine that is to be in trouble: `create_engine`, or what takes the same arguments.
Maker = Callable[..., Any]


class Fault:
    """Something that ails a database from `begin` to `end`; `engine` is the reporter's way in."""

    def __init__(self, engine: Any, begin: Callable[[], object], end: Callable[[], object]) -> None:
        self.engine = engine
        self.begin = begin
        self.end = end


def as_administrator(server: PostgresServer, statement: sql.Composed | str, *values: object) -> None:
    with psycopg.connect(server.url("postgres").replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(statement, values or None)  # type: ignore[arg-type]


def end_all(server: PostgresServer, database: str) -> None:
    end = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"
    as_administrator(server, end, database)


@contextmanager
def on_a_line(server: PostgresServer, database: str, kind: str, maker: Maker) -> Iterator[Fault]:
    with Line(port_of(server)) as line:

        def refuse() -> None:
            line.refuse()
            line.cut()

        begin = {"refused": refuse, "cut": line.cut, "silent": line.silence, "trickling": lambda: line.delay(0.03)}

        def end() -> None:
            line.heal()
            if kind == "silent":
                line.cut()

        # Only the driver can give up connecting, so it is told to.
        arguments = {"connect_timeout": 2}
        yield Fault(maker(line.url(server.url(database)), connect_args=arguments), begin[kind], end)


@contextmanager
def read_only(server: PostgresServer, database: str, maker: Maker) -> Iterator[Fault]:
    def set_to(value: str) -> Callable[[], None]:
        def alter() -> None:
            statement = sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = {}")
            as_administrator(server, statement.format(sql.Identifier(database), sql.SQL(value)))
            end_all(server, database)

        return alter

    yield Fault(maker(server.url(database)), set_to("on"), set_to("off"))


@contextmanager
def without_grants(server: PostgresServer, database: str, maker: Maker) -> Iterator[Fault]:
    engine, owner = maker(server.url(database)), create_engine(server.url(database))
    role = f"reporter_{database}"
    as_administrator(server, sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)))

    def play_the_role(connection: Any, _record: object) -> None:
        ask(connection, f'SET ROLE "{role}"')
        connection.commit()

    event.listen(plain(engine), "connect", play_the_role)

    def grant(what: str) -> Callable[[], None]:
        def grant() -> None:
            with owner.begin() as connection:
                for table in driftbreaker.metadata.sorted_tables:
                    connection.execute(text(f'{what.format(table=table.name)} "{role}"'))

        return grant

    give = grant("GRANT ALL ON {table} TO")
    give()
    yield Fault(engine, grant("REVOKE ALL ON {table} FROM"), give)
    grant("REVOKE ALL ON {table} FROM")()
    as_administrator(server, sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))
    owner.dispose()


def plain(engine: Any) -> Engine:
    """The engine that has the events."""
    return getattr(engine, "sync_engine", engine)


def ask(connection: Any, statement: str) -> None:
    """Have a driver's connection do something, whichever driver that is."""
    cursor = connection.cursor()
    cursor.execute(statement)
    cursor.close()


@contextmanager
def renamed(url: str, maker: Maker) -> Iterator[Fault]:
    """The tables are missing for a while."""
    other = create_engine(url)

    def rename(old: str, new: str) -> Callable[[], None]:
        def alter() -> None:
            with other.begin() as connection:
                connection.execute(text(f"ALTER TABLE {old} RENAME TO {new}"))

        return alter

    name = "driftbreaker_breakers"
    yield Fault(maker(url), rename(name, "elsewhere"), rename("elsewhere", name))
    other.dispose()


@contextmanager
def held(url: str, maker: Maker) -> Iterator[Fault]:
    """Somebody holds the row for seconds."""
    other = create_engine(url)
    held = other.connect()

    def hold() -> None:
        assert held.execute(text("SELECT 1 FROM driftbreaker_breakers FOR UPDATE")).all()

    yield Fault(maker(url), hold, held.rollback)
    held.close()
    other.dispose()


@contextmanager
def locked(path: Path, maker: Maker = create_engine) -> Iterator[Fault]:
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    engine = maker(f"sqlite:///{path}", connect_args={"timeout": 0.05})
    yield Fault(engine, lambda: other.execute("BEGIN EXCLUSIVE"), lambda: other.execute("ROLLBACK"))
    other.close()


@contextmanager
def query_only(path: Path, maker: Maker) -> Iterator[Fault]:
    """SQLite refuses every write, as it does where the file may only be read."""
    engine, refusing = maker(f"sqlite:///{path}"), threading.Event()

    def checkout(connection: Any, *_: object) -> None:
        ask(connection, f"PRAGMA query_only = {int(refusing.is_set())}")

    event.listen(plain(engine), "checkout", checkout)
    yield Fault(engine, refusing.set, refusing.clear)


@contextmanager
def full(path: Path, maker: Maker = create_engine) -> Iterator[Fault]:
    engine = maker(f"sqlite:///{path}")
    ceiling = Ceiling(plain(engine))
    yield Fault(engine, ceiling.lower, ceiling.lift)


ON_POSTGRES = ["refused", "cut", "silent", "trickling", "read only", "without grants", "tables missing", "row held"]
ON_SQLITE = ["locked", "query only", "full", "tables missing"]


@contextmanager
def fault_of(
    place: str, kind: str, request: pytest.FixtureRequest, maker: Maker = create_engine
) -> Iterator[tuple[Fault, str]]:
    """Make one of `FAULTS`; yield it with the URL of a way that nothing ails."""
    if place == "sqlite":
        path: Path = request.getfixturevalue("sqlite_database")
        url = f"sqlite:///{path}"
        made = (
            {"locked": locked, "query only": query_only, "full": full}[kind](path, maker)
            if kind in ON_SQLITE[:3]
            else renamed(url, maker)
        )
    else:
        server, database = (request.getfixturevalue(name) for name in ("postgres", "postgres_database"))
        url = server.url(database)
        if kind in ("refused", "cut", "silent", "trickling"):
            made = on_a_line(server, database, kind, maker)
        elif kind in ("read only", "without grants"):
            made = {"read only": read_only, "without grants": without_grants}[kind](server, database, maker)
        else:
            made = {"tables missing": renamed, "row held": held}[kind](url, maker)
    with made as found:
        yield found, url


FAULTS = [("postgres", kind) for kind in ON_POSTGRES] + [("sqlite", kind) for kind in ON_SQLITE]
