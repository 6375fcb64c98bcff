"""What a snapshot is made from: the open set as one reading found it, by a clock that nobody sets."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType
from typing import Any, NamedTuple

from sqlalchemy import Connection, CursorResult, Executable
from sqlalchemy.exc import SQLAlchemyError

from ..checks import check_instant
from ..clock import Clock
from ..model import Key
from ..statements import open_set, sql_for
from ..tables import Tables
from .notes import missing_tables

MANY = 200
PAST = float("-inf")


class Sighting(NamedTuple):
    """One breaker as a reading found it: `ends` is when it closes by itself, in seconds of ``time.monotonic()``."""

    is_open: bool
    ends: float | None
    generation: int
    version: int


ABSENT = Sighting(is_open=False, ends=None, generation=0, version=0)


@dataclass(frozen=True)
class Reading:
    """The whole open set and whatever else was asked for, as they were between two moments of ``time.monotonic()``.

    `lags` says that it came from a database which repeats another one: what it does not know yet may be true already.
    """

    began: float
    ended: float
    lags: bool
    open: Mapping[Key, Sighting]
    asked: Mapping[Key, Sighting]


class Reader:
    """Reads on connections that it is handed, in any transaction or none."""

    def __init__(self, tables: Tables, clock: Clock | None) -> None:
        self._tables = tables
        self._clock = clock

    def read(
        self,
        connection: Connection,
        asked: Set[Key] = frozenset(),
        awaited: Mapping[Key, int] = MappingProxyType({}),
        known_open: Set[Key] = frozenset(),
    ) -> Reading:
        """Read the open set in full and, each by its key, what was asked for and what is open no more.

        Also what is `awaited` in a version that the open set does not show. Locks nothing and writes nothing. Raises
        what the database raises.
        """
        began = time.monotonic()
        rows: Sequence[Any] = self._run(connection, open_set.open_set).all()
        ended = time.monotonic()
        found = {
            Key(name, scope): self._sighting(is_open, left, generation, version, ended)
            for _, name, scope, is_open, left, generation, version in rows
            if name is not None
        }
        missing = {key for key, version in awaited.items() if found.get(key, ABSENT).version < version}
        return Reading(
            began=began,
            ended=ended,
            lags=bool(rows[0][0]),
            open=found,
            asked=self._read_some(connection, missing.union(asked, known_open - found.keys())),
        )

    def ping(self, connection: Connection, channel: str, message: str) -> None:
        """Send a message on a channel of PostgreSQL's, in the connection's transaction."""
        self._run(connection, open_set.notify, channel=channel, message=message)

    def _read_some(self, connection: Connection, keys: Iterable[Key]) -> dict[Key, Sighting]:
        found = dict.fromkeys(keys, ABSENT)
        waiting = iter(tuple(found))
        while chunk := list(islice(waiting, MANY)):
            rows: Sequence[Any] = self._run(connection, open_set.some, keys=chunk).all()
            ended = time.monotonic()
            for name, scope, is_open, left, generation, version in rows:
                found[Key(name, scope)] = self._sighting(is_open, left, generation, version, ended)
        return found

    def _sighting(self, is_open: bool, left: float | None, generation: int, version: int, ended: float) -> Sighting:  # noqa: FBT001
        return Sighting(bool(is_open), self._end(left, ended), generation, version)

    def _end(self, left: float | None, ended: float) -> float | None:
        """Return when an opening ends by itself.

        Counted from the end of the reading: never before the database's own clock would say so.
        """
        if left is None:
            return None
        if left <= 0:
            return PAST
        # A clock of a test's stands still: what it leaves open stays open until it is read again.
        return ended + left if self._clock is None else None

    def _run(self, connection: Connection, statement: Any, **values: Any) -> CursorResult[Any]:
        sql = sql_for(self._tables, connection.dialect.name, clocked=self._clock is not None)
        bound = {f"p_{name}": value for name, value in values.items()}
        if self._clock is not None:
            bound["p_now"] = check_instant(self._clock.now(), "the clock's now()")
        executable: Executable = statement(sql)
        try:
            return connection.execute(executable, bound)
        except SQLAlchemyError as error:
            for sentence in missing_tables(error, self._tables):
                error.add_note(f"driftbreaker: {sentence}")
            raise
