"""Statements of a doctor: who we are here and what we may, in which transactions. They read catalogues alone."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from typing import Any

from sqlalchemy import Boolean, Connection, Executable, Integer, Select, String, func, literal_column, select, text

from .dialect import Sql, constant, parameter, quoted_name


class Job(StrEnum):
    """What a role is for."""

    CHECKING = "checking"
    REPORTING = "reporting"
    RELAYING = "relaying"


_WRITES = ("SELECT", "INSERT", "UPDATE")

#: What each job needs of each table, and nothing beyond: a job without any one of these fails.
GRANTS: Mapping[Job, Mapping[str, tuple[str, ...]]] = {
    Job.CHECKING: {"breakers": ("SELECT",)},
    Job.REPORTING: {
        "breakers": _WRITES,
        "incidents": _WRITES,
        "history": ("INSERT",),
        "outbox": _WRITES,
    },
    Job.RELAYING: {
        "breakers": ("SELECT", "UPDATE"),
        "incidents": ("SELECT", "UPDATE"),
        "history": ("INSERT",),
        "outbox": ("SELECT", "UPDATE", "DELETE"),
        "deliveries": (*_WRITES, "DELETE"),
    },
}
#: The tables that number their rows: whoever inserts there uses a sequence.
NUMBERED = ("incidents", "history", "notes")


@cache
def privileges(sql: Sql) -> Select[Any] | None:
    """Everything that any job needs, each as true, false, or NULL where there is no such table; None without roles."""
    if not sql.locks_rows:
        return None
    wanted = sorted({(table, each) for of_job in GRANTS.values() for table, all_ in of_job.items() for each in all_})
    found: list[Any] = [
        func.has_table_privilege(func.to_regclass(_table(table)), constant(privilege), type_=Boolean).label(
            f"{table} {privilege}"
        )
        for table, privilege in wanted
    ]
    numbered = [table for table in NUMBERED if (table, "INSERT") in wanted]
    found += [
        func.has_sequence_privilege(
            func.pg_get_serial_sequence(_table(table), literal_column("'seq'")), constant("USAGE"), type_=Boolean
        ).label(f"{table} USAGE")
        for table in numbered
    ]
    return select(*found)


def names(sql: Sql, connection: Connection) -> dict[str, str]:
    """Return the values of the parameters that `privileges` asks its tables by."""
    translated = connection.get_execution_options().get("schema_translate_map") or {}
    schema = translated.get(sql.tables.schema, sql.tables.schema)
    wanted = {table for of_job in GRANTS.values() for table in of_job}
    return {f"{table}_table": quoted_name(schema, getattr(sql.tables, table).name) for table in wanted}


@cache
def transactions(sql: Sql) -> Select[Any] | None:
    """Who we are, and what a transaction is here; None where there is neither a role nor a choice."""
    if not sql.locks_rows:
        return None
    return select(
        literal_column("current_user", String()).label("role"),
        func.current_setting("transaction_isolation", type_=String).label("isolation"),
        func.current_setting("transaction_read_only", type_=String).label("read_only"),
        sql.lags().label("lags"),
    )


@cache
def backend(sql: Sql) -> Select[Any] | None:
    """Which process of the server's answers; None where there is no server."""
    return select(func.pg_backend_pid(type_=Integer).label("pid")) if sql.locks_rows else None


@cache
def installed(sql: Sql) -> Select[Any]:
    """The schema versions that were ever installed."""
    return select(func.max(sql.tables.schema_version.c.version))


@cache
def install(sql: Sql) -> Executable:
    """Write down which schema version the tables were made as; whoever comes second changes nothing."""
    table = sql.tables.schema_version
    values = {"version": parameter("version", Integer()), "installed_at": sql.now}
    statement: Executable = sql.insert(table).values(values).on_conflict_do_nothing()
    return statement


#: How SQLite keeps its file, and how long a writer waits for another.
JOURNAL = text("PRAGMA journal_mode")
PATIENCE = text("PRAGMA busy_timeout")


def _table(table: str) -> Any:
    return parameter(f"{table}_table", String())
