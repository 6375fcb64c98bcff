"""What sessions do for us as they end: refuse half a transition, tell what became true.

Registered once, on the class: sessions of every kind (sessionmaker, scoped, SQLModel's, the one inside an
AsyncSession) take part. Most have nothing pending and pay for one look into a dictionary.
"""

from __future__ import annotations

from sqlalchemy import event
from sqlalchemy.orm import Session, SessionTransaction

from . import pending


@event.listens_for(Session, "before_commit")
def _before_commit(session: Session) -> None:
    pending.check_whole(session)


@event.listens_for(Session, "after_commit")
def _after_commit(session: Session) -> None:
    pending.note_commit(session)


@event.listens_for(Session, "after_soft_rollback")
def _after_soft_rollback(session: Session, previous: SessionTransaction) -> None:
    pending.undo(session, previous)


@event.listens_for(Session, "after_transaction_end")
def _after_transaction_end(session: Session, transaction: SessionTransaction) -> None:
    # Commit, rollback, close, failed commit: the root's end is the one event that all of them share. The connection
    # is back in its pool here, so that a listener with a session of its own finds one.
    if transaction.parent is None:
        pending.end(session)
