"""Statements that look at many breakers: what is off, what there is, what is called nearly so."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select

from ..model import Status
from .dialect import COUNT, Sql, parameter, value, word
from .reads import expired, this_breaker_and_its_whole

INCIDENT = "of_incident_"


@cache
def off(sql: Sql) -> Select[Any]:
    """Everything that is open and not expired, with its incident, the latest opening first."""
    b = sql.tables.breakers.c
    is_open = and_(b.status != word(Status.CLOSED), expired(sql).is_not(True))
    return _overview(sql).where(is_open).order_by(b.opened_at.desc(), b.name, b.scope)


@cache
def on(sql: Sql) -> Select[Any]:
    """What is closed, or expired, by name."""
    b = sql.tables.breakers.c
    is_closed = or_(b.status == word(Status.CLOSED), expired(sql))
    return _overview(sql).where(is_closed).order_by(b.name, b.scope).limit(parameter("limit", COUNT))


@cache
def of_name(sql: Sql) -> Select[Any]:
    """One name with all its scopes, the whole first."""
    b = sql.tables.breakers.c
    return _overview(sql).where(b.name == value(b.name)).order_by(b.scope).limit(parameter("limit", COUNT))


@cache
def of_key(sql: Sql) -> Select[Any]:
    """One breaker and the whole that it is a scope of."""
    return _overview(sql).where(this_breaker_and_its_whole(sql))


@cache
def names(sql: Sql) -> Select[Any]:
    """Names from a word on, each once."""
    b = sql.tables.breakers.c
    return select(b.name).where(b.name >= value(b.name)).distinct().order_by(b.name).limit(parameter("limit", COUNT))


@cache
def names_that_begin(sql: Sql) -> Select[Any]:
    """Names that begin with a word, each once. No LIKE: what case means to it, and its signs, differ."""
    b = sql.tables.breakers.c
    word_ = value(b.name)
    begins = func.substr(b.name, 1, func.length(word_)) == word_
    return select(b.name).where(begins).distinct().order_by(b.name).limit(parameter("limit", COUNT))


def _overview(sql: Sql) -> Select[Any]:
    b, i = sql.tables.breakers, sql.tables.incidents
    incident: tuple[ColumnElement[Any], ...] = tuple(column.label(INCIDENT + column.name) for column in i.columns)
    together = b.outerjoin(i, i.c.id == b.c.incident_id)
    return select(b, expired(sql).label("expired"), sql.now.label("now"), *incident).select_from(together)
