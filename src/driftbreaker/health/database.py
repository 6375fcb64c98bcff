"""Is the database there, is it one of ours, and are its transactions what the breaker needs."""

from __future__ import annotations

import time

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from ..store import database_now
from ..store import health as asked
from ..store.health import Transactions
from ..tables import Tables, default_tables
from .finding import Finding, failed, ok, on_database, said_by, skipped, warning

LEAST = {"postgresql": (15,), "sqlite": (3, 35)}
_CALLED = {"postgresql": "PostgreSQL", "sqlite": "SQLite"}
SLOW = 1.0


def check_database(engine: Engine) -> Finding:
    """Find whether the database answers, how long that takes with connecting, and whether its version is supported."""
    name = "database"
    if engine.dialect.name not in LEAST:
        return failed(name, f"driftbreaker has no SQL for {engine.dialect.name}", "Use SQLite or PostgreSQL")
    began = time.monotonic()
    try:
        with Session(engine) as session:
            database_now(session, default_tables())
    except Exception as error:  # noqa: BLE001  drivers raise more than SQLAlchemy wraps, and that is the finding
        return failed(name, f"it does not answer: {said_by(error, engine)}", "Check the URL, the network, the server")
    took = time.monotonic() - began
    version = engine.dialect.server_version_info or ()
    told = f"{_CALLED[engine.dialect.name]} {'.'.join(map(str, version))} answers after {took * 1000:.0f} ms"
    least = LEAST[engine.dialect.name]
    if version < least:
        return failed(name, told, f"{_CALLED[engine.dialect.name]} {'.'.join(map(str, least))} or newer is supported")
    if took > SLOW:
        return warning(name, told, "See what keeps it: every report waits as long")
    return ok(name, told)


@on_database("transactions")
def check_transactions(engine: Engine, tables: Tables | None = None) -> Finding:
    """Find whether a report has a transaction to join, and at which isolation."""
    tables = tables or default_tables()
    with Session(engine) as session:
        if asked.autocommits(session, tables):
            return failed(
                "transactions",
                "the engine is in AUTOCOMMIT: whatever writes raises NoTransactionError",
                "Give the breaker a session of an engine without isolation_level='AUTOCOMMIT' or autocommit=True",
            )
        found = asked.transactions(session, tables)
    return ok("transactions", "a report commits with its caller") if found is None else _judged(found)


def _judged(found: Transactions) -> Finding:
    if found.lags:
        return warning(
            "transactions",
            "this is a standby, which lags and takes no reports",
            "Check here, report to the primary",
        )
    if found.read_only:
        return warning(
            "transactions",
            "transactions are read-only here: checks work, reports do not",
            "See default_transaction_read_only of the role and the database",
        )
    if found.isolation != "read committed":
        return warning(
            "transactions",
            f"the isolation is {found.isolation}: a contended report fails and is to be retried",
            "Retry serialization failures (SQLSTATE 40001), or report at READ COMMITTED",
        )
    return ok("transactions", f"read committed, as role {found.role}")


@on_database("sqlite")
def check_sqlite(engine: Engine) -> Finding:
    """Find how SQLite keeps its file: its journal, and how long a writer waits for another."""
    if engine.dialect.name != "sqlite":
        return skipped("sqlite", "the database is none")
    with Session(engine) as session:
        found = asked.sqlite_file(session)
    told = f"journal {found.journal}, a writer waits {found.patience / 1000:g} s for another"
    if found.journal == "memory" and not engine.url.database:
        return warning("sqlite", "it lives in this process's memory: nobody else sees it", "Name a file in the URL")
    if found.patience == 0:
        return warning(
            "sqlite",
            f"{told}: the second of two fails at once",
            "Give connect_args={'timeout': 30}, or ?timeout=30 in the URL",
        )
    if found.journal in ("off", "memory"):
        return warning("sqlite", f"{told}: a crash may ruin the file", "PRAGMA journal_mode = WAL, or DELETE")
    return ok("sqlite", f"{told}; whether the file lies on a network's disk, where locks lie, nobody can tell")
