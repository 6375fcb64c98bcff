"""What every switchboard does, for whatever engine: ask, take over the answer, say once what changed."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection

from ..hooks import Event, emit
from ..model import Change, Key
from ..snapshot import ForcedOff, Snapshot
from ..store import Reader, Reading, read_message
from ..waits import CHANCE
from .options import Options
from .pacing import Pacing

_logger = logging.getLogger("driftbreaker")
#: How long a replica may take to bring what the primary told of.
CATCH_UP = 10.0
CHANGES = frozenset(Change)


class Refresher:
    """Keeps a snapshot fresh. It waits for nothing and has no connection: its driver has both.

    Called from several threads: the one that reads, the one that listens, and every one in which the host commits.
    """

    def __init__(self, snapshot: Snapshot, options: Options, wake: Callable[[], None]) -> None:
        self._snapshot = snapshot
        self._wake = wake
        self._reader = Reader(options.tables, options.clock)
        self._lock = threading.Lock()
        self._pacing = Pacing(options.poll, CHANCE, time.monotonic())
        self._poll = options.poll
        self._turn_at = 0.0
        self._awaited: dict[Key, tuple[int, float]] = {}
        self._lags = False
        self._failing = False
        self._hearing: bool | None = None

    @property
    def next_at(self) -> float:
        """When the next reading is due."""
        return self._pacing.next_at

    @property
    def failing(self) -> bool:
        """Whether the last reading failed."""
        return self._failing

    def read(self, connection: Connection) -> Reading:
        """Read what is to be read now."""
        with self._lock:
            now = time.monotonic()
            self._pacing.begin(now)
            awaited = {key: version for key, (version, _) in self._awaited.items()}
            asked = self._snapshot.unread()
            # Not with what a wake-up reads, which is in a hurry.
            if now >= self._turn_at:
                self._turn_at = now + self._poll
                asked |= self._snapshot.in_turn()
        return self._reader.read(connection, asked, awaited, self._snapshot.open_keys())

    def ping(self, connection: Connection, channel: str) -> None:
        """Send a message to whoever listens on a channel."""
        self._reader.ping(connection, channel, "")

    def succeeded(self, reading: Reading) -> None:
        """Take over a reading."""
        now = time.monotonic()
        self._snapshot.apply(reading, now)
        with self._lock:
            self._lags = reading.lags
            self._awaited = {
                key: (version, until)
                for key, (version, until) in self._awaited.items()
                if until > now and self._snapshot.version(key, now) < version
            }
            self._pacing.succeeded(now, again=bool(self._awaited or self._snapshot.unread()))
        if self._failing:
            self._failing = False
            _logger.warning("driftbreaker: the switchboard reads the database again")
            _tell("switchboard_restored")

    def failed(self, error: BaseException) -> None:
        """Go on after a reading that failed: handles answer from what was read last, until it is too old."""
        with self._lock:
            self._pacing.failed(time.monotonic())
        said = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        notes = "".join(f" {note}" for note in getattr(error, "__notes__", ()))
        _logger.debug("driftbreaker: the switchboard could not read the database", exc_info=error)
        if not self._failing:
            self._failing = True
            _logger.warning(
                "driftbreaker: the switchboard cannot read the database and goes on trying: %s.%s "
                "Breakers answer from what was read last, then by their outage policy",
                said,
                notes,
            )
            _tell("switchboard_failing", error=said)

    def wake(self) -> None:
        """Read soon."""
        with self._lock:
            self._pacing.wake(time.monotonic())
        self._wake()

    def wait_for(self, key: Key, version: int, seconds: float) -> None:
        """Read soon, and again soon until a version of a breaker has been seen, for so many seconds."""
        with self._lock:
            self._await(key, version, seconds)
        self.wake()

    def hear(self, message: str) -> None:
        """Take a notification for what it is: a sign that there is something to read. Its driver sees to that."""
        news = read_message(message)
        with self._lock:
            if news is not None and self._snapshot.has_handle(news[0]):
                # What has committed is there at the next reading; only a replica may take its time.
                self._await(*news, CATCH_UP if self._lags else 0.0)
            self._pacing.wake(time.monotonic())

    def _await(self, key: Key, version: int, seconds: float) -> None:
        until = time.monotonic() + seconds
        known = self._awaited.get(key, (version, until))
        self._awaited[key] = max(known[0], version), max(known[1], until)

    def hear_event(self, event: Event) -> None:
        """The same for a commit of this process."""
        if event.kind in CHANGES:
            self.wake()

    def hears(self, *, hearing: bool, why: str = "") -> None:
        """Note whether notifications arrive; say so when that changes."""
        if hearing == self._hearing:
            return
        self._hearing = hearing
        if hearing:
            _logger.info("driftbreaker: the switchboard hears of changes at once")
            _tell("switchboard_listening")
        else:
            _logger.warning("driftbreaker: the switchboard only polls: %s", why)
            _tell("switchboard_polling", why=why)

    def after_fork(self) -> None:
        """Give it a lock that no thread of another process holds, and read at once."""
        self._lock = threading.Lock()
        self._pacing.wake(time.monotonic())


def new_snapshot(options: Options, environment: Any) -> Snapshot:
    """Return an empty snapshot that says when it becomes fresh and stale."""
    forced = ForcedOff.from_environment(environment)
    if forced.patterns:
        _logger.warning("driftbreaker: forced off in this process by its environment: %s", forced)

    def on_fresh(fresh: bool) -> None:  # noqa: FBT001  its one argument
        if fresh:
            _logger.info("driftbreaker: the switchboard is fresh: breakers answer from the database")
            _tell("switchboard_fresh")
        else:
            _logger.warning(
                "driftbreaker: the switchboard is stale, nothing was read for %g s: breakers answer by their "
                "outage policy",
                options.stale_after,
            )
            _tell("switchboard_stale", stale_after=options.stale_after)

    return Snapshot(options.stale_after, forced, on_fresh)


def _tell(kind: str, **facts: Any) -> None:
    emit([Event(kind=kind, name="", scope="", facts=facts)])
