"""The switchboard of an `Engine`: reads in one thread, keeps time in another, and listens in a third."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from sqlalchemy import Engine
from sqlalchemy.pool import SingletonThreadPool, StaticPool

from ..checks import check_count, check_kind, check_seconds
from ..errors import InvalidArgumentError
from ..forks import forget_forks, tell_of_forks
from ..hooks import listen
from ..snapshot import Board, Handle, Snapshot
from .connection import OwnConnection, end
from .listener import Listener, can_listen
from .options import Options, SwitchboardOptions, checked_options
from .refresher import Refresher, new_snapshot
from .ticker import Ticker

if TYPE_CHECKING:
    from typing_extensions import Unpack

_logger = logging.getLogger("driftbreaker")
#: How often it is looked whether a reading hangs.
WATCH_EVERY = 0.5
AT_EXIT = 1.0


class Switchboard(Board):
    """Keeps the state of every breaker in this process, for checks that cost nanoseconds.

        with Switchboard(engine) as board:
            pricing = board["pricing"]
            answer = control() if pricing.is_open else candidate()

    - `engine`: the host's own. Connections are made as it makes them, in a pool of our own: one to read with, and on
      PostgreSQL one to listen with.
    - `outage`: what handles answer while nobody knows, unless they are given a policy of their own: `Outage.OPEN` (the
      control serves), `CLOSED`, `RAISE`, or `last_known(max_age)`.
    - `poll`: seconds between the beginnings of two readings: what no notification told of is seen that late at most.
    - `stale_after`: seconds for which a reading is believed while no other one works. Longer than `poll`.
    - `listen`: whether to be woken by PostgreSQL's notifications, which needs psycopg; otherwise it polls.
    - `listen_on`: the engine to listen on where `engine` reads from a replica, which cannot notify.
    - `tables`, `clock`: as for `CircuitBreaker`.

    A commit of this process is seen at once, another process's as soon as its notification arrives. Openings end on
    time by the database's clock; the host's own may be wrong. ``DRIFTBREAKER_FORCE_OFF="payments/*,search"`` keeps
    breakers whose names match open in this process, whatever the database says. Making one touches no database. Raises
    InvalidArgumentError for what cannot be.
    """

    def __init__(
        self, engine: Engine, *, listen_on: Engine | None = None, **options: Unpack[SwitchboardOptions]
    ) -> None:
        if not isinstance(engine, Engine):
            raise InvalidArgumentError(
                f"engine must be a sqlalchemy Engine, got {type(engine).__name__}: "
                "an AsyncEngine has driftbreaker.AsyncSwitchboard"
            )
        check_kind(listen_on, Engine, "listen_on")
        self._engine = engine
        self._in_memory = isinstance(engine.pool, StaticPool | SingletonThreadPool)
        self._line = OwnConnection(engine)
        self._listen_on = listen_on or engine
        self._options = checked_options(**options)
        self._waiting = _Waiting()
        self._background: _Background | None = None
        snapshot = new_snapshot(self._options, os.environ)
        self._refresher = Refresher(snapshot, self._options, self._wake_reader)
        super().__init__(snapshot, self._options.outage)

    def start(self, wait: float = 1.0) -> None:
        """Keep the snapshot fresh in the background until `close` or the process's end.

        Waits at most `wait` seconds for the first reading, and starts without it. After a fork the child goes on with
        threads and connections of its own. Raises InvalidArgumentError for an in-memory SQLite engine, whose one
        connection a thread of ours must not share: call `refresh` there.
        """
        if self._in_memory:
            raise InvalidArgumentError(
                "an in-memory database has one connection, which a switchboard's threads must not share: call refresh()"
            )
        wait = check_seconds(wait, "wait", 0.0)
        if self._background is None:
            listens_on = self._listen_on if self._options.listen else None
            self._background = _Background(
                self._line, listens_on, self._options, self._snapshot, self._refresher, self._waiting
            )
            self._background.start()
            self._refresher.wake()
        self._waiting.wait_for(lambda: self.age < self._options.stale_after, wait)

    def close(self, timeout: float = 10.0) -> None:
        """Stop, waiting at most `timeout` seconds. From then on every handle answers by its outage policy."""
        check_seconds(timeout, "timeout")
        background, self._background = self._background, None
        if background is not None:
            background.close(timeout)
            self._line.close()
            self._snapshot.forget(time.monotonic())

    def refresh(self) -> None:
        """Read now, in this thread; on a connection of the engine where it is not started. Raises what that does."""
        if self._background is None:
            with self._engine.connect() as connection:
                reading = self._refresher.read(connection)
        else:
            reading = self._line.run(self._refresher.read)
        self._refresher.succeeded(reading)
        self._waiting.tell()

    def wait_until(self, name: str, version: int, timeout: float = 5.0, *, scope: str = "") -> bool:
        """Wait until the snapshot knows a version of a breaker's own row, or a later one; return whether it does.

        For reading one's own writes: `get_state` in the process that wrote says which version that was.
        """
        handle = self.handle(name, scope)
        version, timeout = check_count(version, "version", 0), check_seconds(timeout, "timeout", 0.0)
        if self._background is None:
            self.refresh()
            return self._knows(handle, version)
        if self._knows(handle, version):
            return True
        self._refresher.wait_for(handle.key, version, timeout)
        return self._waiting.wait_for(lambda: self._knows(handle, version), timeout)

    def __enter__(self) -> Switchboard:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _knows(self, handle: Handle, version: int) -> bool:
        return self._snapshot.version(handle.key, time.monotonic()) >= version

    def _wake_reader(self) -> None:
        background = self._background
        if background is not None:
            background.wake()


class _Waiting:
    """Those who wait for what a reading brings."""

    def __init__(self) -> None:
        self._read = threading.Condition()

    def wait_for(self, what: Callable[[], bool], seconds: float) -> bool:
        with self._read:
            return self._read.wait_for(what, seconds)

    def tell(self) -> None:
        with self._read:
            self._read.notify_all()

    def after_fork(self) -> None:
        """Give it a lock that no thread of another process holds."""
        self._read = threading.Condition()


class _Background:
    """The threads of a switchboard that was started."""

    def __init__(
        self,
        line: OwnConnection,
        listen_on: Engine | None,
        options: Options,
        snapshot: Snapshot,
        refresher: Refresher,
        waiting: _Waiting,
    ) -> None:
        self._listen_on = listen_on
        self._options = options
        self._snapshot = snapshot
        self._refresher = refresher
        self._waiting = waiting
        self._line = line
        self._due = threading.Event()
        self._reading = threading.Lock()
        self._closing = False
        self._held = False

    def start(self) -> None:
        self._start()
        self._stop_hearing = listen(self._refresher.hear_event)
        tell_of_forks(self)
        atexit.register(self._at_exit)

    def wake(self) -> None:
        """Let the reader look when its next reading is due."""
        self._due.set()

    def close(self, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        self._closing = True
        forget_forks(self)
        atexit.unregister(self._at_exit)
        self._stop_hearing()
        self._due.set()
        self._ticker.close()
        end(self._reader, self._line.interrupt, max(0.0, deadline - time.monotonic()))
        if self._listener is not None:
            self._listener.close(max(0.0, deadline - time.monotonic()))
        if self._reader.is_alive():
            _logger.warning("driftbreaker: the switchboard's reading did not end within %g s", timeout)

    def before_fork(self) -> None:
        self._held = self._snapshot.hold_still()

    def after_fork_in_parent(self) -> None:
        if self._held:
            self._snapshot.go_on()

    def after_fork_in_child(self) -> None:
        """The threads are not there, and the connections are the parent's."""
        self._snapshot.after_fork()
        self._refresher.after_fork()
        self._waiting.after_fork()
        self._line.after_fork()
        if self._listener is not None:
            self._listener.after_fork()
        self._due = threading.Event()
        self._reading = threading.Lock()
        self._start()

    def _start(self) -> None:
        self._listener: Listener | None = None
        self._ticker = Ticker(self._snapshot, self._watch, WATCH_EVERY)
        self._reader = threading.Thread(target=self._serve, name="driftbreaker-reader", daemon=True)
        self._reader.start()

    def _serve(self) -> None:
        while not self._closing:
            with self._reading:
                self._read_if_due()
            self._due.wait(max(0.0, self._refresher.next_at - time.monotonic()))
            self._due.clear()
        self._line.close()

    def _heard(self) -> None:
        """Read at once, unless it is too early or a reading is under way; then the reader does when it is time."""
        # Never wait here: each of a storm of notifications would wait for a reading of its own.
        if self._reading.acquire(blocking=False):
            try:
                self._read_if_due()
            finally:
                self._reading.release()
        self._due.set()

    def _read_if_due(self) -> None:
        if self._closing or time.monotonic() < self._refresher.next_at:
            return
        try:
            self._refresher.succeeded(self._line.run(self._refresher.read))
            self._begin_to_listen()
        except Exception as error:  # noqa: BLE001  the database's, mostly; whatever it is, it must not end us
            if not self._closing:
                self._refresher.failed(error)
        self._ticker.notice()
        self._waiting.tell()

    def _begin_to_listen(self) -> None:
        """Not before something was read: SQLAlchemy sets a dialect up with the first connection of all.

        A second one, made meanwhile by another pool, would find it half set up.
        """
        if self._listener is None and not self._closing and self._listen_on is not None and can_listen(self._listen_on):
            channel = self._options.tables.channel
            self._listener = Listener(self._listen_on, channel, self._refresher, self._heard)

    def _watch(self, now: float) -> None:
        self._line.watch(now, self._options.stale_after / 2)
        if self._listener is not None:
            self._listener.watch(now)

    def _at_exit(self) -> None:
        self.close(AT_EXIT)
