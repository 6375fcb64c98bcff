"""Switchboards without a database, for tests of what the host does with them."""

from __future__ import annotations

import math
import threading
import time
from datetime import timedelta

from ..checks import check_count, check_flag, check_interval, check_key, check_kind, check_seconds
from ..model import Key
from ..snapshot import Board, ForcedOff, Handle, Outage, Snapshot
from ..store.open_set import ABSENT, Reading, Sighting

# As long as a switchboard believes a reading, unless it is told otherwise.
STALE_AFTER = 10.0


class _MemoryBoard(Board):
    """What both kinds share: rows in memory, and a database that can be lost."""

    def __init__(self, *, outage: Outage | None = None) -> None:
        check_kind(outage, Outage, "outage")
        self._lock = threading.RLock()
        self._rows: dict[Key, Sighting] = {}
        self._lost = False
        # The shell that tests run in forces nothing off, and nobody logs that there is no database.
        super().__init__(Snapshot(STALE_AFTER, ForcedOff(), lambda _: None), outage or Outage.OPEN)
        self._see()

    def handle(self, name: str, scope: str = "", *, outage: Outage | None = None) -> Handle:
        """See `Switchboard.handle`; a breaker that was never set is closed."""
        handle = super().handle(name, scope, outage=outage)
        if self._snapshot.unread():
            self._see()
        return handle

    def set(self, name: str, *, is_open: bool, scope: str = "") -> None:
        """Open or close a breaker, as a commit in another process would; nothing happens to one that is so already.

        Generation and version grow by one. While the database is lost, nobody sees it. Raises InvalidArgumentError.
        """
        key, is_open = check_key(name, scope), check_flag(is_open, "is_open")
        with self._lock:
            row = self._rows.get(key, ABSENT)
            if row.is_open != is_open:
                self._rows[key] = Sighting(is_open, None, row.generation + 1, row.version + 1)
                self._see()

    def lose_database(self, ago: timedelta | None = None) -> None:
        """Answer as if nothing had been read for `ago`, or for ever: `Outage` says what handles make of it.

        A reading is believed for 10 seconds, and by ``Outage.last_known(max_age)`` for `max_age`. Raises
        InvalidArgumentError.
        """
        seconds = math.inf if ago is None else check_seconds(check_interval(ago, "ago").total_seconds(), "ago")
        with self._lock:
            self._lost = True
            now = time.monotonic()
            self._snapshot.forget(now)
            self._snapshot.apply(Reading(began=now - seconds, ended=now, lags=False, open={}, asked={}), now)
            self._snapshot.tick(now)

    def find_database(self) -> None:
        """Answer from the database again, with whatever was set meanwhile."""
        with self._lock:
            self._lost = False
            self._see()

    def _see(self) -> None:
        """Show what was set."""
        with self._lock:
            if self._lost:
                return
            now = time.monotonic()
            asked = {key: self._rows.get(key, ABSENT) for key in self._snapshot.unread().union(self._rows)}
            # Read at the end of time: this grows no older.
            self._snapshot.apply(Reading(began=math.inf, ended=now, lags=False, open={}, asked=asked), now)

    def _knows(self, name: str, version: int, timeout: float, scope: str) -> bool:
        key = self.handle(name, scope).key
        version = check_count(version, "version", 0)
        check_seconds(timeout, "timeout", 0.0)
        return self._snapshot.version(key, time.monotonic()) >= version


class MemorySwitchboard(_MemoryBoard):
    """Stands in for a `Switchboard` where there is no database: only `set` opens and closes its breakers.

        board = MemorySwitchboard()
        board.set("pricing", is_open=True)

    - `outage`: as for `Switchboard`; `lose_database` shows what it does.

    Starting and closing it do nothing, so that it can be handed to whoever does both. Overrides hold here too.
    """

    def start(self, wait: float = 1.0) -> None:
        """Nothing is to be started."""
        check_seconds(wait, "wait", 0.0)

    def close(self, timeout: float = 10.0) -> None:
        """Nothing is kept open; handles go on answering."""
        check_seconds(timeout, "timeout")

    def refresh(self) -> None:
        """Nothing is to be read."""

    def wait_until(self, name: str, version: int, timeout: float = 5.0, *, scope: str = "") -> bool:
        """Return whether a version of a breaker was set and seen; never waits."""
        return self._knows(name, version, timeout, scope)

    def __enter__(self) -> MemorySwitchboard:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class AsyncMemorySwitchboard(_MemoryBoard):
    """Stands in for an `AsyncSwitchboard`, as `MemorySwitchboard` does for a `Switchboard`."""

    async def start(self, wait: float = 1.0) -> None:
        """See `MemorySwitchboard.start`."""
        check_seconds(wait, "wait", 0.0)

    async def close(self, timeout: float = 10.0) -> None:  # noqa: ASYNC109  the same argument as the other board's
        """See `MemorySwitchboard.close`."""
        check_seconds(timeout, "timeout")

    async def refresh(self) -> None:
        """See `MemorySwitchboard.refresh`."""

    async def wait_until(self, name: str, version: int, timeout: float = 5.0, *, scope: str = "") -> bool:  # noqa: ASYNC109
        """See `MemorySwitchboard.wait_until`."""
        return self._knows(name, version, timeout, scope)

    async def __aenter__(self) -> AsyncMemorySwitchboard:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass
