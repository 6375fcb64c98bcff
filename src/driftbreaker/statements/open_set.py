"""Statements of a snapshot: what is open, in full, and single breakers by their keys."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import BindParameter, Select, String, and_, bindparam, case, null, select, tuple_

from ..model import Status
from .dialect import Sql, parameter, word


@cache
def open_set(sql: Sql) -> Select[Any]:
    """Everything that is not closed, through its partial index; one row at least, be it an empty one.

    In full: "what is newer than the last version seen" would miss what was written first and committed later.
    """
    b = sql.tables.breakers
    database = select(sql.lags().label("lags")).subquery()
    found = database.outerjoin(b, b.c.status != word(Status.CLOSED))
    return select(database.c.lags, *_shown(sql)).select_from(found)


@cache
def some(sql: Sql) -> Select[Any]:
    """The rows of some breakers."""
    b = sql.tables.breakers.c
    keys: BindParameter[Any] = bindparam("p_keys")
    return select(*_shown(sql)).where(tuple_(b.name, b.scope).in_(keys))


def _shown(sql: Sql) -> tuple[Any, ...]:
    b = sql.tables.breakers.c
    recovers = and_(b.status == word(Status.OPEN), b.auto_recover)
    # How long is left, not until when: the reader's clock may say anything.
    left = case((recovers, sql.seconds_until(b.until)), else_=null()).label("left")
    return b.name, b.scope, (b.status != word(Status.CLOSED)).label("is_open"), left, b.generation, b.version


@cache
def notify(sql: Sql) -> Select[Any] | None:
    """Send a message on a channel, by which a listener finds out whether it hears at all; None where nobody can."""
    sent = sql.notify(parameter("channel", String()), parameter("message", String()))
    return None if sent is None else select(sent.label("sent"))
