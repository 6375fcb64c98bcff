"""Statements about the locks of a transaction."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import Select, String, select

from .dialect import Sql, parameter


@cache
def limit_waits(sql: Sql) -> Select[Any] | None:
    """Wait for a row's lock so many milliseconds at most, in this transaction; None where no row has one."""
    limit = sql.limit_lock_waits(parameter("milliseconds", String()))
    return None if limit is None else select(limit.label("set"))


@cache
def limit_answers(sql: Sql) -> Select[Any] | None:
    """Wait for a row's lock, and for a whole statement, so many milliseconds at most; None where no row has a lock."""
    lock = sql.limit_lock_waits(parameter("milliseconds", String()))
    whole = sql.limit_statements(parameter("in_all", String()))
    return None if lock is None or whole is None else select(lock.label("lock"), whole.label("whole"))
