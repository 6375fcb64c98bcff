"""What a doctor asks the database. Locks and writes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..statements import health, sql_for
from ..statements.dialect import Sql
from ..statements.health import GRANTS, NUMBERED, Job
from ..tables import Tables

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@dataclass(frozen=True, kw_only=True)
class Transactions:
    """Who we are, and what a transaction is here. `isolation` is as PostgreSQL writes it."""

    role: str
    isolation: str
    read_only: bool
    lags: bool


@dataclass(frozen=True, kw_only=True)
class SQLiteFile:
    """How SQLite keeps its file, and how many milliseconds a writer waits for another."""

    journal: str
    patience: int


def transactions(session: Session, tables: Tables) -> Transactions | None:
    """Return what a transaction of this session's is; None on SQLite. One statement."""
    statement = health.transactions(_sql(session, tables))
    if statement is None:
        return None
    row = session.connection().execute(statement).one()
    return Transactions(role=row.role, isolation=row.isolation, read_only=row.read_only == "on", lags=bool(row.lags))


def autocommits(session: Session, tables: Tables) -> bool:
    """Return whether the driver would commit each statement by itself. Sends nothing."""
    return _sql(session, tables).autocommits(session.connection())


def backend(session: Session, tables: Tables) -> int | None:
    """Return which process of the server's answers; None on SQLite. One statement."""
    statement = health.backend(_sql(session, tables))
    pid: int | None = None if statement is None else session.connection().execute(statement).scalar_one()
    return pid


def sqlite_file(session: Session) -> SQLiteFile:
    """Return how SQLite keeps its file. Two statements."""
    connection = session.connection()
    return SQLiteFile(
        journal=connection.execute(health.JOURNAL).scalar_one(),
        patience=connection.execute(health.PATIENCE).scalar_one(),
    )


def missing_grants(session: Session, tables: Tables) -> dict[Job, list[str]] | None:
    """Return what this role lacks for each job, as GRANT writes it; None on SQLite, where there are no roles.

    One statement. The tables must be there.
    """
    sql = _sql(session, tables)
    statement = health.privileges(sql)
    if statement is None:
        return None
    connection = session.connection()
    bound = {f"p_{name}": each for name, each in health.names(sql, connection).items()}
    granted = connection.execute(statement, bound).one()._mapping
    return {job: _missing(tables, job, {name for name, may in granted.items() if not may}) for job in GRANTS}


def _missing(tables: Tables, job: Job, denied: set[str]) -> list[str]:
    found = []
    for table, wanted in GRANTS[job].items():
        name = getattr(tables, table).name
        lacks = [privilege for privilege in wanted if f"{table} {privilege}" in denied]
        if lacks:
            found.append(f"{', '.join(lacks)} ON {name}")
        if "INSERT" in wanted and table in NUMBERED and f"{table} USAGE" in denied:
            found.append(f"USAGE ON SEQUENCE {name}_seq_seq")
    return found


def _sql(session: Session, tables: Tables) -> Sql:
    return sql_for(tables, session.connection().dialect.name)
