"""What readers see. Nothing here takes a row lock; only a check may do bookkeeping, and never where it could wait."""

from __future__ import annotations

from ..model import BreakerState, HistoryEntry, Incident, Status
from ..statements import reads
from .joined import Joined
from .records import history_entry_of, incident_of, state_of
from .transition import recover_quietly


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


def get_state(joined: Joined) -> BreakerState:
    """Return the state, writing nothing."""
    rows = {row.scope: row for row in joined.run(reads.state(joined.sql))}
    scope = joined.key.scope
    return state_of(joined.key, rows.get(scope), rows.get("") if scope else None)


def get_incidents(joined: Joined, *, include_resolved: bool, limit: int) -> list[Incident]:
    """Return the newest incidents, writing nothing."""
    statement = reads.incidents(joined.sql, include_resolved=include_resolved)
    return [incident_of(row, row.lapsed_at) for row in joined.run(statement, limit=limit)]


def get_history(joined: Joined, *, limit: int, before: int | None) -> list[HistoryEntry]:
    """Return the newest changes, writing nothing."""
    return [history_entry_of(row) for row in joined.run(reads.history(joined.sql), limit=limit, before=before)]
