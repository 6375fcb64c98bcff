"""Statements that read the history: of all breakers as it grows, and of one incident."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import Select, bindparam, func, or_, select

from .dialect import COUNT, Sql, parameter, value


@cache
def newest(sql: Sql) -> Select[Any]:
    """The highest number, 0 where there is none."""
    return select(func.coalesce(func.max(sql.tables.history.c.seq), 0))


@cache
def since(sql: Sql) -> Select[Any]:
    """Every change after a number, and those of some lower numbers, in order; by the primary key."""
    h = sql.tables.history
    missing = bindparam("p_missing", type_=COUNT)
    new = or_(h.c.seq > parameter("after", COUNT), h.c.seq.in_(missing))
    return select(h).where(new).order_by(h.c.seq).limit(parameter("limit", COUNT))


@cache
def about(sql: Sql) -> Select[Any]:
    """What was done about one incident of a breaker, in order."""
    h = sql.tables.history
    this = (h.c.name == value(h.c.name), h.c.scope == value(h.c.scope), h.c.incident_id == value(h.c.incident_id))
    return select(h).where(*this).order_by(h.c.seq).limit(parameter("limit", COUNT))
