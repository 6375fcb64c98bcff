"""What readers see. Nothing here takes a row lock; only a check may do bookkeeping, and never where it could wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..model import BreakerState, HistoryEntry, Incident, Status
from ..statements import reads
from .look import Look
from .records import history_entry_of, incident_of, state_of
from .transition import recover_quietly

if TYPE_CHECKING:
    from .joined import Joined


def is_open(joined: Joined, *, may_recover: bool) -> bool:
    """Return whether the breaker, or the whole that it is a scope of, is open and not expired.

    With `may_recover`, an expired breaker's own recovery is written, where the database says that this can neither
    wait nor fail.
    """
    statement = reads.check(joined.sql, scoped=bool(joined.key.scope), may_recover=may_recover)
    rows = joined.run(statement).all()
    if any(may_recover and row.may_recover and row.scope == joined.key.scope for row in rows) and _may_write(joined):
        recover_quietly(joined)
    return any(row.status != Status.CLOSED and not row.expired for row in rows)


def _may_write(joined: Joined) -> bool:
    return not joined.autocommits() and joined.run(reads.may_write(joined.sql), **joined.names()).scalar_one()


def get_state(look: Look) -> BreakerState:
    """Return the state, writing nothing."""
    rows = {row.scope: row for row in look.run(reads.state(look.sql))}
    scope = look.key.scope
    return state_of(look.key, rows.get(scope), rows.get("") if scope else None)


def get_incidents(look: Look, *, include_resolved: bool, limit: int) -> list[Incident]:
    """Return the newest incidents, writing nothing."""
    statement = reads.incidents(look.sql, include_resolved=include_resolved)
    return [incident_of(row, row.lapsed_at) for row in look.run(statement, limit=limit)]


def get_history(look: Look, *, limit: int, before: int | None) -> list[HistoryEntry]:
    """Return the newest changes, writing nothing."""
    return [history_entry_of(row) for row in look.run(reads.history(look.sql), limit=limit, before=before)]
