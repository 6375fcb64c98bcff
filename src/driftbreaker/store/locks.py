"""How long a transaction of our own waits for a breaker's row."""

from __future__ import annotations

from sqlalchemy.orm import Session

from ..statements import locks, sql_for
from ..tables import Tables


def limit_lock_waits(session: Session, tables: Tables, seconds: float) -> None:
    """Wait for each row's lock so long at most, until the session's transaction ends. One statement on PostgreSQL."""
    connection = session.connection()
    statement = locks.limit_waits(sql_for(tables, connection.dialect.name, clocked=False))
    if statement is not None:
        connection.execute(statement, {"p_milliseconds": str(round(seconds * 1000))})
