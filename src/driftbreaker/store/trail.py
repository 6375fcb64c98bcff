"""The history as it grows: every change once, whatever the order in which transactions commit. Locks nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..model import HistoryEntry
from ..statements import changes, sql_for
from ..tables import Tables
from .records import history_entry_of

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

PAGE = 500
# How far back a number that was not there yet may turn up: what a transaction that is still at work has taken.
BACK = 500


class Trail:
    """Reads what has changed since the last look, of all breakers.

    An entry's number is given before its transaction commits, so a lower one may appear after a higher one: numbers
    that were skipped are asked for again, the latest five hundred of them. `read` remembers nothing by itself: `keep`
    does, once the transaction that it read in has ended well.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._kept: tuple[int, frozenset[int]] | None = None
        self._read: tuple[int, frozenset[int]] | None = None

    def read(self, session: Session) -> list[HistoryEntry]:
        """Return what is new, in the order of its numbers; nothing at the first call, which finds the end."""
        begins = self._kept is None
        after, missing = self._kept or (max(self._newest(session) - BACK, 0), frozenset())
        found: list[HistoryEntry] = []
        while page := self._page(session, after, missing):
            found += page
            after, missing = _followed(after, missing, [entry.seq for entry in page])
        self._read = after, missing
        return [] if begins else found

    def keep(self) -> None:
        """Go on from what was read."""
        self._kept = self._read

    def _newest(self, session: Session) -> int:
        connection = session.connection(bind_arguments={"clause": self._tables.history})
        newest: int = connection.execute(changes.newest(sql_for(self._tables, connection.dialect.name))).scalar_one()
        return newest

    def _page(self, session: Session, after: int, missing: frozenset[int]) -> list[HistoryEntry]:
        connection = session.connection(bind_arguments={"clause": self._tables.history})
        statement = changes.since(sql_for(self._tables, connection.dialect.name))
        values = {"p_after": after, "p_missing": sorted(missing), "p_limit": PAGE}
        return [history_entry_of(row) for row in connection.execute(statement, values)]


def _followed(after: int, missing: frozenset[int], seqs: list[int]) -> tuple[int, frozenset[int]]:
    """Return the highest number so far, and those below it that may still come."""
    skipped = set(missing)
    for seq in seqs:
        if seq > after:
            skipped.update(range(max(after + 1, seq - BACK), seq))
            after = seq
        else:
            skipped.discard(seq)
    return after, frozenset(sorted(skipped)[-BACK:])
