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
