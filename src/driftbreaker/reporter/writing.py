"""Writes what waits for some breakers, in one transaction of the reporter's own."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy.exc import DBAPIError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolExhaustedError
from sqlalchemy.orm import Session

from .. import store
from ..settings import BreakerSettings
from ..store import Door
from .options import Options
from .pending import Segment, Waiting

#: How long a breaker that made trouble before is waited for, where somebody else holds its row.
LOCK_WAIT = 1.0


class Chunk:
    """What one transaction writes: some breakers, in the order of their names.

    `warily`: whether it waits for locks for a moment only. `trips`: how many breakers it opened.
    """

    def __init__(self, waiting: list[Waiting], *, warily: bool = False) -> None:
        self.waiting = waiting
        self.warily = warily
        self.trips = 0
        self._connected = False
        self._ending = False

    @property
    def reports(self) -> int:
        """How many calls it sums up."""
        return sum(each.reports for each in self.waiting)

    def begun(self) -> None:
        """Note that there is a connection."""
        self._connected, self._ending, self.trips = True, False, 0

    def ending(self) -> None:
        """Note that the COMMIT is sent next."""
        self._ending = True

    def in_doubt(self, error: BaseException) -> bool:
        """Return whether it may have been committed although this was raised.

        Before the COMMIT nothing can have been; and where the database itself refused it, it answered.
        """
        return self._ending and not (_answered(error))

    def concerns_all(self, error: BaseException) -> bool:
        """Return whether what was raised says that the database cannot be had, rather than these breakers."""
        return not self._connected or not _answered(error)


def _answered(error: BaseException) -> bool:
    """Return whether the database itself, over a connection that still stands, raised this; or our own code did."""
    if isinstance(error, DBAPIError):
        return not (error.connection_invalidated or isinstance(error, InterfaceError))
    return isinstance(error, Exception) and not isinstance(error, PoolExhaustedError | OSError)


class Writer:
    """Writes chunks, each breaker by the settings of its name."""

    def __init__(self, options: Options, settings_of: Callable[[str], BreakerSettings]) -> None:
        self._options = options
        self._settings_of = settings_of

    def write(self, session: Session, chunk: Chunk) -> None:
        """Write a chunk into the session's transaction, which the caller commits next."""
        session.connection()
        chunk.begun()
        if chunk.warily:
            store.limit_lock_waits(session, self._options.tables, LOCK_WAIT)
        for each in chunk.waiting:
            door = self._door(each)
            for segment in each.by_generation():
                chunk.trips += _write(session, door, segment)
        chunk.ending()

    def _door(self, waiting: Waiting) -> Door:
        return Door(
            key=waiting.key,
            settings=self._settings_of(waiting.key.name),
            tables=self._options.tables,
            clock=self._options.clock,
            owns_settings=True,
            kind="reporter",
            notify=self._options.notify,
        )


def _write(session: Session, door: Door, segment: Segment) -> int:
    trips = 0
    if segment.batch.worst is not None or segment.batch.streak.any_good:
        with door.join(session, "report_drift") as joined:
            incident = store.report_drift(joined, segment.batch, segment.generation)
        trips += incident is not None
    if segment.schema_errors:
        with door.join(session, "report_schema_error") as joined:
            incident = store.report_schema_errors(
                joined, segment.schema_errors, segment.schema_details, segment.generation
            )
        trips += incident is not None
    return trips
