"""The whole history as a stream: each stretch in a transaction of its own, so that none lasts. Locks nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Executable, Row

from ..model import HistoryEntry
from ..statements import Sql, audit, sql_for
from ..tables import Tables
from .records import history_entry_of

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

#: How many entries one transaction looks at. Each may carry some kilobytes of evidence.
STRETCH = 1_000


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which entries are wanted: from `since` on, before `until`, of a breaker with all its scopes, by an actor."""

    since: datetime | None = None
    until: datetime | None = None
    name: str | None = None
    actor: str | None = None


@dataclass(frozen=True)
class Stretch:
    """What is wanted of one stretch, and how many of how many places of the history have been passed."""

    entries: list[HistoryEntry]
    passed: int
    places: int


def history(
    sessions: Callable[[], AbstractContextManager[Session]], tables: Tables, wanted: Wanted, *, limit: int = STRETCH
) -> Iterator[Stretch]:
    """Yield everything that is wanted and was committed before the first of these transactions, oldest first.

    `sessions` gives a session in a transaction of its own each time. What commits meanwhile is not waited for, and
    what lies beyond the newest entry of the beginning is left out. No index helps but the primary key: whatever is
    wanted, each entry of the table is read once.
    """
    with sessions() as session:
        (ends,) = _run(session, tables, audit.ends)
    if ends.last is None:
        return
    after = first = ends.first - 1
    while after < ends.last:
        with sessions() as session:
            (stretch,) = _run(session, tables, audit.stretch, after=after, last=ends.last, limit=limit)
            rows = _run(session, tables, audit.entries, after=after, end=stretch.end, **vars(wanted))
        yield Stretch([history_entry_of(row) for row in rows], stretch.end - first, ends.last - first)
        after = stretch.end


def _run(session: Session, tables: Tables, statement: Callable[[Sql], Executable], **values: Any) -> list[Row[Any]]:
    connection = session.connection(bind_arguments={"clause": tables.breakers})
    built = statement(sql_for(tables, connection.dialect.name))
    return list(connection.execute(built, {f"p_{name}": value for name, value in values.items()}))
