"""How long a transaction of our own waits for a breaker's row, and for an answer."""

from __future__ import annotations

import math

from sqlalchemy import Connection

from ..statements import locks, sql_for
from ..tables import Tables


def limit_lock_waits(connection: Connection, tables: Tables, seconds: float) -> None:
    """Wait for each row's lock so long at most, until the transaction ends. One statement on PostgreSQL."""
    statement = locks.limit_waits(sql_for(tables, connection.dialect.name))
    if statement is not None:
        connection.execute(statement, {"p_milliseconds": str(_milliseconds(seconds))})


def limit_waits(connection: Connection, tables: Tables, seconds: float) -> None:
    """Wait for each row's lock so long at most, and a second longer for each answer, until the transaction ends.

    One statement on PostgreSQL, whose settings end with the transaction: a pooler that hands the connection on to
    others hands on none of this. SQLite's one lock has its limit at the connection.
    """
    statement = locks.limit_answers(sql_for(tables, connection.dialect.name))
    if statement is not None:
        milliseconds = _milliseconds(seconds)
        # The lock's limit goes off first: it says what was waited for.
        connection.execute(statement, {"p_milliseconds": str(milliseconds), "p_in_all": str(milliseconds + 1000)})


def _milliseconds(seconds: float) -> int:
    # Rounded to 0 it would be no limit at all.
    return math.ceil(seconds * 1000)
