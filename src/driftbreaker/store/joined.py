"""One operation inside the caller's transaction: gets the connection, runs statements, explains failures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, CursorResult, Executable, TwoPhaseTransaction
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from ..clock import Clock
from ..errors import DriftbreakerError, NoTransactionError
from ..hooks import Event
from ..model import Change, Key
from ..settings import BreakerSettings
from ..statements import Sql, sql_for
from ..tables import Tables
from . import pending, sessions  # noqa: F401  sessions listens from here on
from .look import Look
from .notes import note_on


@dataclass(frozen=True, kw_only=True)
class Door:
    """Which breaker, set up how, in which tables, by which clock: what its operations have in common.

    `owns_settings` says whether its settings are the service's own, which the row carries, or defaults; `kind` is
    what the history calls it; `notify` lets its changes wake the switchboards of other processes.
    """

    key: Key
    settings: BreakerSettings
    tables: Tables
    clock: Clock | None
    owns_settings: bool
    kind: str = "session"
    notify: bool = True

    @contextmanager
    def join(self, session: Session, operation: str, *, writes: bool = True) -> Iterator[Joined]:
        """Join the session's transaction for one operation; add our sentence to any error of the database's.

        Raises NoTransactionError where the operation writes and the session has no transaction (AUTOCOMMIT).
        """
        dialect: str | None = None
        joined: Joined | None = None
        try:
            # The clause lets sessions that route by table find the engine of ours.
            connection = session.connection(bind_arguments={"clause": self.tables.breakers})
            dialect = connection.dialect.name
            sql = sql_for(self.tables, dialect, clocked=self.clock is not None)
            if writes:
                _need_transaction(sql, connection, operation, self.key)
            joined = Joined(session, connection, sql, self)
            yield joined
        except SQLAlchemyError as error:
            gone = joined is not None and joined.is_gone()
            note = note_on(error, operation, self.key, self.tables, dialect, gone=gone)
            if gone:
                pending.refuse_commit(session, note, gone=True)
            elif joined is not None and joined.wrote and not sql.aborts_on_error:
                note += " What this call had already written must not be committed: roll the transaction back."
                pending.refuse_commit(session, note)
            error.add_note(note)
            raise
        except DriftbreakerError:
            raise
        except BaseException as error:
            # A time limit's signal, a cancelled task, a listener of the host's, a driver that lets a refused
            # connection through as it is: no database aborts for these.
            if joined is None:
                error.add_note(f"driftbreaker: {operation} on breaker {self.key} got no connection: nothing was sent.")
            elif joined.wrote:
                pending.refuse_commit(
                    session,
                    f"driftbreaker: {operation} on breaker {self.key} was interrupted. What it had already written "
                    "must not be committed: roll the transaction back.",
                )
            raise


class Joined(Look):
    """A breaker's operation within the caller's transaction.

    Core statements on the session's own connection: the caller's pending objects are not flushed, no identity map
    goes stale, and nothing here begins, ends or nests a transaction.
    """

    def __init__(self, session: Session, connection: Connection, sql: Sql, door: Door) -> None:
        super().__init__(connection, sql, door.key, door.clock)
        self.session = session
        self.door = door.kind
        self.settings = door.settings
        self.owns_settings = door.owns_settings
        self._notify = door.notify
        self._met_transaction = sql.in_transaction(connection)
        self.wrote = False

    def write(self, statement: Executable, **values: Any) -> CursorResult[Any]:
        """Run one statement that changes rows: from here on, the operation must complete or be rolled back."""
        result = self.run(statement, **values)
        self.wrote = True
        return result

    def reads_first(self) -> bool:
        """Return whether to look before writing, as the database at hand wants it."""
        return self.sql.reads_first(self._connection)

    @property
    def notifies(self) -> bool:
        """Whether a change may wake listeners: PostgreSQL refuses to prepare a transaction that does."""
        return self._notify and not isinstance(self._connection.get_transaction(), TwoPhaseTransaction)

    def names(self) -> dict[str, str]:
        """Return what our tables are called on this connection, whose schemas the host may have translated."""
        return self.sql.names(self._connection)

    def autocommits(self) -> bool:
        """Return whether there is no transaction to join."""
        return self.sql.autocommits(self._connection)

    def is_gone(self) -> bool:
        """Return whether the database has rolled back the whole transaction, which held something.

        So SQLite does for a full disk, a write that is interrupted, or a trigger that says so, and goes on after it as
        if nothing had been.
        """
        held = (self._met_transaction or self.wrote) and not self._connection.invalidated
        return held and not self.sql.in_transaction(self._connection)

    def tell(self, kind: Change | str, **facts: Any) -> None:
        """Tell the listeners, once the caller's transaction has committed."""
        event = Event(kind=str(kind), name=self.key.name, scope=self.key.scope, facts=facts)
        pending.tell_after_commit(self.session, event)


def _need_transaction(sql: Sql, connection: Connection, operation: str, key: Key) -> None:
    if sql.autocommits(connection):
        raise NoTransactionError(
            f"{operation} on breaker {key} needs a transaction to join, but the session's connection is in "
            "AUTOCOMMIT: use a session without isolation_level='AUTOCOMMIT' and a driver without autocommit=True"
        )
