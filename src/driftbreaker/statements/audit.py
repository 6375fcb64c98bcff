"""Statements that read the whole history, oldest first, a stretch of it at a time."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import Select, func, or_, select

from ..tables import UTCDateTime
from .dialect import COUNT, Sql, parameter, value


@cache
def ends(sql: Sql) -> Select[Any]:
    """The oldest and the newest entry there is: two looks at the ends of the primary key."""
    h = sql.tables.history.c
    first = select(func.min(h.seq)).scalar_subquery()
    return select(first.label("first"), select(func.max(h.seq)).scalar_subquery().label("last"))


@cache
def stretch(sql: Sql) -> Select[Any]:
    """Where the next so many entries end, whatever they are: sequences have gaps."""
    h = sql.tables.history.c
    entries = select(h.seq).where(h.seq > parameter("after", COUNT), h.seq <= parameter("last", COUNT))
    entries = entries.order_by(h.seq).limit(parameter("limit", COUNT))
    return select(func.max(entries.subquery().c.seq).label("end"))


@cache
def entries(sql: Sql) -> Select[Any]:
    """The entries of one stretch that are wanted: however rare they are, no more rows are read than it has."""
    h = sql.tables.history.c
    since, until = parameter("since", UTCDateTime()), parameter("until", UTCDateTime())
    name, actor = value(h.name), value(h.actor)
    return (
        select(sql.tables.history)
        .where(
            h.seq > parameter("after", COUNT),
            h.seq <= parameter("end", COUNT),
            or_(since.is_(None), h.at >= since),
            or_(until.is_(None), h.at < until),
            or_(name.is_(None), h.name == name),
            or_(actor.is_(None), h.actor == actor),
        )
        .order_by(h.seq)
    )
