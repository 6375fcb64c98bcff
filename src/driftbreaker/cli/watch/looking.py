"""One look after another at what is watched."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from driftbreaker import CircuitBreaker, store
from driftbreaker.cli.breakers.finding import found
from driftbreaker.cli.exits import Usage
from driftbreaker.errors import InvalidArgumentError
from driftbreaker.model import Status

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from driftbreaker import HistoryEntry
    from driftbreaker.cli.engine import Database
    from driftbreaker.store import Overview

MANY = 50


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is watched: one breaker, with all its scopes or one of them, or everything (None)."""

    name: str | None
    scope: str | None

    def covers(self, name: str, scope: str) -> bool:
        """Return whether a breaker is meant."""
        # While the whole is off a scope is, too.
        return self.name in (None, name) and (self.scope is None or scope in ("", self.scope))


@dataclass(frozen=True, kw_only=True)
class Look:
    """What there was to see at one moment: the breakers, whether the one that is meant is or was off, what changed."""

    rows: list[Overview]
    is_off: bool
    was_off: bool
    changes: list[HistoryEntry]
    now: datetime


class Eyes:
    """Looks at a subject again and again. Locks nothing and writes nothing."""

    def __init__(self, database: Database, subject: Subject) -> None:
        self._database = database
        self._subject = subject
        self._trail = store.Trail(database.tables)

    def must_be_there(self) -> None:
        """Raise NotFound, with the near name, for a breaker of which nothing is on record."""
        if self._subject.name is not None:
            with self._database.session() as session:
                found(session, self._database, self._subject.name, None)

    def look(self) -> Look:
        """Look once. Raises Failure when the database does not let it; what changed meanwhile is seen the next time."""
        # A connection that is kept would be in the way of whoever moves the database, and could go silent unnoticed.
        self._database.disconnect()
        with self._database.session() as session:
            # The changes first: whatever they say has happened, the rows show as well.
            changes = self._trail.read(session)
            rows = self._rows(session)
            is_off = self._is_off(session)
            now = store.database_now(session, self._database.tables)
        self._trail.keep()
        seen = [each for each in changes if self._subject.covers(each.name, each.scope)]
        return Look(
            rows=rows,
            is_off=is_off,
            was_off=any(each.new_status is not Status.CLOSED and self._is_meant(each.scope) for each in seen),
            changes=seen,
            now=now,
        )

    def _is_meant(self, scope: str) -> bool:
        return scope in ("", self._subject.scope)

    def _rows(self, session: Session) -> list[Overview]:
        tables, name = self._database.tables, self._subject.name
        if name is None:
            off, on = store.breakers(session, tables, limit=MANY)
            return off + on
        rows = store.breakers_named(session, tables, name)
        return [row for row in rows if self._subject.covers(name, row.state.scope)]

    def _is_off(self, session: Session) -> bool:
        if self._subject.name is None:
            return False
        try:
            scope = self._subject.scope or ""
            breaker = CircuitBreaker(session, self._subject.name, scope=scope, tables=self._database.tables)
            return breaker.get_state().is_open
        except InvalidArgumentError as error:
            raise Usage(str(error)) from None
