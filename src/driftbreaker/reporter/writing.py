"""Writes what waits for some breakers, in one transaction of the reporter's own."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolExhaustedError
from sqlalchemy.orm import Session

from .. import store
from ..model import Key
from ..settings import BreakerSettings
from ..store.joined import Door
from .options import Options
from .pending import Segment, Waiting

#: What PostgreSQL says of a database that takes nothing at all: read-only, or without our tables; and by class,
#: without room or connections, or about to stop.
_OF_ALL = frozenset({"25006", "42P01", "3F000"})
_CLASSES_OF_ALL = ("53", "57P")


class Chunk:
    """What one transaction writes: some breakers, in the order of their names.

    `lock_wait`: for how many seconds it waits for somebody else's lock of a row; None for as long as the reporter has
    patience. `trips`: how many breakers it opened.
    `committed`: whether it is known to be written. `settled`: whether what became of it is counted.
    """

    def __init__(self, waiting: list[Waiting], lock_wait: float | None) -> None:
        self.waiting = waiting
        self.lock_wait = lock_wait
        self.trips = 0
        self.committed = False
        self.settled = False
        self._connected = False
        self._ending = False

    @property
    def reports(self) -> int:
        """How many calls it sums up."""
        return sum(each.reports for each in self.waiting)

    @property
    def keys(self) -> list[Key]:
        """The breakers that it writes."""
        return [each.key for each in self.waiting]

    def begun(self) -> None:
        """Note that there is a connection."""
        self._connected = True

    def ending(self) -> None:
        """Note that the COMMIT is sent next."""
        self._ending = True

    def in_doubt(self, error: BaseException) -> bool:
        """Return whether it may have been committed although this was raised.

        Before the COMMIT nothing can have been; and where the database itself refused it, it answered. A listener of
        the host's on sessions may fail after it: that says nothing.
        """
        refused = isinstance(error, DBAPIError) and error.statement is None and _answered(error)
        return self._ending and not refused

    def concerns_all(self, error: BaseException) -> bool:
        """Return whether what was raised says that the database cannot be had, rather than these breakers."""
        return not self._connected or not _answered(error) or (isinstance(error, DBAPIError) and _of_all(error))


def _answered(error: BaseException) -> bool:
    """Return whether the database itself, over a connection that still stands, raised this; or our own code did."""
    if isinstance(error, DBAPIError):
        return not (error.connection_invalidated or isinstance(error, InterfaceError))
    return isinstance(error, Exception) and not isinstance(error, PoolExhaustedError | OSError)


def _of_all(error: DBAPIError) -> bool:
    state = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)
    if state is None:
        # SQLite's lock, its room and its permissions are those of the whole file.
        return isinstance(error, OperationalError)
    return state in _OF_ALL or state.startswith(_CLASSES_OF_ALL)


class Writer:
    """Writes chunks, each breaker by the settings of its name."""

    def __init__(self, options: Options, settings_of: Callable[[str], BreakerSettings]) -> None:
        self._options = options
        self._settings_of = settings_of

    def write(self, session: Session, chunk: Chunk) -> None:
        """Write a chunk into the session's transaction, which the caller commits next."""
        session.connection()
        chunk.begun()
        tasks = [(self._door(each), segment) for each in chunk.waiting for segment in each.by_generation()]
        speaks = any(_speaks(segment) or segment.schema_errors for _, segment in tasks)
        if speaks and chunk.lock_wait is not None:
            store.limit_lock_waits(session.connection(), self._options.tables, chunk.lock_wait)
        for door, segment in tasks:
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
    if _speaks(segment):
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


def _speaks(segment: Segment) -> bool:
    """Return whether its verdicts say anything: inconclusive ones are only counted."""
    return segment.batch.worst is not None or segment.batch.streak.any_good
