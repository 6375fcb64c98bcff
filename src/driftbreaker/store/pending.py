"""What waits for the caller's outermost commit: events to tell, reports to make, and reasons to refuse it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import HalfWrittenError
from ..hooks import Event, emit

if TYPE_CHECKING:
    from sqlalchemy.orm import Session, SessionTransaction

    Savepoints = tuple[SessionTransaction, ...]

_KEY = "driftbreaker.pending"
#: Apart from what is pending: most sessions have nothing, and pay for nothing more than this.
_COMMITTING = "driftbreaker.committing"


@dataclass
class _Pending:
    """Items of one root transaction, each with the savepoints that it would be undone with."""

    events: list[tuple[Savepoints, Event]] = field(default_factory=list)
    reports: list[tuple[Savepoints, Any]] = field(default_factory=list)
    broken: list[tuple[Savepoints, str]] = field(default_factory=list)
    committed: bool = False

    def undo(self, savepoint: Any) -> None:
        self.events = [item for item in self.events if savepoint not in item[0]]
        self.reports = [item for item in self.reports if savepoint not in item[0]]
        self.broken = [item for item in self.broken if savepoint not in item[0]]


def tell_after_commit(session: Session, what: Event) -> None:
    """Emit an event once the session's outermost transaction has committed; drop it on rollback."""
    _pending(session).events.append((_savepoints(session), what))


def refuse_commit(session: Session, why: str, *, gone: bool = False) -> None:
    """Make the session's next commit fail: part of what it is to commit is missing.

    Half a transition can be undone with a savepoint. Where the whole transaction is `gone`, so are its savepoints.
    """
    _pending(session).broken.append(((), why) if gone else (_savepoints(session), why))


def queue_report(session: Session, report: Any) -> None:
    """Keep a report for the session's outermost commit; forget it when its savepoint or the transaction rolls back."""
    _pending(session).reports.append((_savepoints(session), report))


def queued_reports(session: Session) -> list[Any]:
    """Return the reports that wait for the commit, in the order of their calls."""
    pending = session.info.get(_KEY)
    return [] if pending is None else [report for _, report in pending.reports]


def begin_commit(session: Session) -> None:
    """Note that the outermost commit is under way: no report can wait for it any more."""
    session.info[_COMMITTING] = True


def is_committing(session: Session) -> bool:
    """Return whether the outermost commit is under way, or was prepared."""
    return _COMMITTING in session.info


def forget_reports(session: Session, done: list[Any]) -> None:
    """Take reports that were made out of the queue."""
    pending = _pending(session)
    made = set(map(id, done))
    pending.reports[:] = [item for item in pending.reports if id(item[1]) not in made]


def _pending(session: Session) -> _Pending:
    pending: _Pending = session.info.setdefault(_KEY, _Pending())
    return pending


def _savepoints(session: Session) -> Savepoints:
    chain = []
    savepoint = session.get_nested_transaction()
    while savepoint is not None and savepoint.nested:
        chain.append(savepoint)
        savepoint = savepoint.parent
    return tuple(chain)


def check_whole(session: Session) -> None:
    """Raise HalfWrittenError where half an operation would be committed."""
    pending = session.info.get(_KEY)
    if pending is not None and pending.broken:
        raise HalfWrittenError(pending.broken[0][1])


def note_commit(session: Session) -> None:
    """Take what is pending for true, once the outermost transaction has committed."""
    pending = session.info.get(_KEY)
    # A released savepoint fires this event too; only the outermost commit makes anything true.
    if pending is not None and not session.in_nested_transaction():
        pending.committed = True


def undo(session: Session, savepoint: SessionTransaction) -> None:
    """Forget what was undone with a savepoint."""
    pending = session.info.get(_KEY)
    if pending is not None:
        pending.undo(savepoint)


def end(session: Session) -> None:
    """Tell what became true with a transaction, and forget the rest."""
    session.info.pop(_COMMITTING, None)
    pending = session.info.pop(_KEY, None)
    if pending is not None and pending.committed:
        emit(what for _, what in pending.events)
