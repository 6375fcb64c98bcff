"""The relay of an `Engine`: on call, as a process of its own, or in the background of the host's."""

from __future__ import annotations

import asyncio
import atexit
import logging
import signal
import socket
import threading
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import SingletonThreadPool, StaticPool

from ..alerts import Channel
from ..checks import check_seconds, looks
from ..errors import InvalidArgumentError
from ..forks import forget_forks, tell_of_forks
from ..hooks import Event, listen
from ..threads import interpreter_ends
from .options import Options, Pass, RelayOptions, announces_work, checked_options
from .pump import Pump

if TYPE_CHECKING:
    from typing_extensions import Unpack

T = TypeVar("T")

_logger = logging.getLogger("driftbreaker")
#: How long the interpreter's exit waits for what was committed last.
LAST_PASS = 2.0
FORK_WAITS = 5.0


class _Database:
    """Runs steps on an engine, in the relay's own thread: there is nothing else on its event loop to hold up."""

    def __init__(self, engine: Engine, between_forks: AbstractContextManager[object]) -> None:
        self._engine = engine
        self._between_forks = between_forks

    async def run(self, step: Callable[[Session], T]) -> T:
        with self._between_forks, Session(self._engine) as session, session.begin():
            return step(session)


class _Loop(asyncio.SelectorEventLoop):
    """An event loop that still works when the interpreter is about to exit, where no new thread is to be had."""

    async def getaddrinfo(self, *args: Any, **kwargs: Any) -> Any:
        if interpreter_ends():
            return socket.getaddrinfo(*args, **kwargs)
        return await super().getaddrinfo(*args, **kwargs)

    async def shutdown_default_executor(self, *args: Any) -> None:
        if not interpreter_ends():  # which has joined the executor's threads already
            await super().shutdown_default_executor(*args)


class Relay:
    """Sends the alerts that the outbox holds, by every channel, and writes the recoveries that nobody wrote.

    - `engine`: the host's own; every step is a short transaction of its own on it.
    - `channels`: where alerts go: `Alertmanager`, `Webhook`, `IncidentFiles`, or a `Channel` of yours.
    - `resend_interval`: seconds between two sends of an alert that fires, give or take a tenth.
    - `retry_base`: seconds of the first back-off after a failure; it doubles up to `resend_interval`, at random.
    - `lease`: seconds, by the database's clock, after which what a killed relay had claimed is free again. One delivery
      with all its tries may take three quarters of it.
    - `poll`: seconds between two looks for work that no wake-up announced.
    - `tries`: how often a pass tries what fails for now. After that it waits in the outbox, never given up.
    - `batch`: alerts claimed at a time.
    - `keep`: seconds for which an alert that is over stays on record; one that was refused stays a week.
    - `tables`, `clock`, `notify`: as for `CircuitBreaker`.

    Any number of relays may run, in hosts and as processes of their own, with the same or with other channels. Delivery
    is at least once per channel; per label set the last state wins; what was rolled back is never sent. Making one
    touches neither network nor database. Raises InvalidArgumentError for what cannot be.
    """

    def __init__(self, engine: Engine, channels: Sequence[Channel], **options: Unpack[RelayOptions]) -> None:
        if not looks(lambda: isinstance(engine, Engine)):
            raise InvalidArgumentError(
                f"engine must be a sqlalchemy Engine, got {type(engine).__name__}: "
                "an AsyncEngine has driftbreaker.AsyncRelay"
            )
        self._engine = engine
        self._options = checked_options(channels, **options)
        self._background: _Background | None = None

    def run_once(self) -> Pass:
        """Make one pass: sweep, send all that is due, tidy up. Returns what it swept, sent, and parked.

        May be called from several threads at once. Raises what the database raises.
        """

        async def once() -> Pass:
            pump = Pump(_Database(self._engine, nullcontext()), self._options)
            try:
                return await pump.one_pass()
            finally:
                await pump.close()

        return _run(once())

    def run(self) -> None:
        """Relay for ever, in this thread; SIGTERM or SIGINT in the main thread end it after one last pass."""

        async def forever() -> None:
            pump = Pump(_Database(self._engine, nullcontext()), self._options)
            _stop_on_signals(pump)
            await pump.forever()

        _run(forever())

    def start(self) -> None:
        """Relay in the background of this process, woken by its own commits, until `close` or the process's end.

        After a fork the child has one of its own as soon as it commits something. Raises InvalidArgumentError for an
        in-memory SQLite engine, whose one connection a thread of ours must not share: call `run_once` there.
        """
        if isinstance(self._engine.pool, StaticPool | SingletonThreadPool):
            raise InvalidArgumentError(
                "an in-memory database has one connection, which a background relay must not share: call run_once()"
            )
        if self._background is None:
            self._background = _Background(self._engine, self._options)

    def close(self, timeout: float = 10.0) -> None:
        """Stop after one last pass, waiting for it at most `timeout` seconds. What is left waits in the outbox."""
        check_seconds(timeout, "timeout")
        background, self._background = self._background, None
        if background is not None:
            background.close(timeout)

    def __enter__(self) -> Relay:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Background:
    """A thread with an event loop that pumps until it is closed."""

    def __init__(self, engine: Engine, options: Options) -> None:
        self._engine = engine
        self._options = options
        self._stop_listening = listen(self._hear)
        self._forget()
        tell_of_forks(self)
        atexit.register(self._at_exit)
        self._start()

    def _hear(self, event: Event) -> None:
        """Called after commits of the host's: it only sets a flag."""
        if not announces_work(event):
            return
        with self._lock:
            if self._thread is None and not self._closed:
                self._start()
        self._call(lambda pump: pump.wake())

    def close(self, timeout: float) -> None:
        self._closed = True
        self._stop_listening()
        atexit.unregister(self._at_exit)
        forget_forks(self)
        self._call(lambda pump: pump.stop())
        if self._thread is not None:
            self._thread.join(timeout)
            if self._thread.is_alive():
                _logger.warning("driftbreaker: the relay did not end within %g s; what is left waits", timeout)

    def before_fork(self) -> None:
        """Wait for the step that is under way: half a transaction must not be copied into a child.

        Not for ever: a fork must not hang with the database.
        """
        self._held = self._stepping.acquire(timeout=FORK_WAITS)

    def after_fork_in_parent(self) -> None:
        """Go on."""
        if self._held:
            self._stepping.release()

    def after_fork_in_child(self) -> None:
        """The thread is not there, and the connections are the parent's."""
        self._forget()
        self._engine.dispose(close=False)

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._stepping = threading.Lock()
        self._thread: threading.Thread | None = None
        self._running: tuple[asyncio.AbstractEventLoop, Pump] | None = None
        self._closed = False

    def _start(self) -> None:
        ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(ready,), name="driftbreaker-relay", daemon=True)
        self._thread.start()
        ready.wait()

    def _serve(self, ready: threading.Event) -> None:
        async def forever() -> None:
            pump = Pump(_Database(self._engine, self._stepping), self._options)
            self._running = (asyncio.get_running_loop(), pump)
            ready.set()
            await pump.forever()

        try:
            _run(forever())
        except Exception:
            _logger.exception("driftbreaker: the relay of this process ended")
        finally:
            self._running = None
            ready.set()

    def _call(self, tell: Callable[[Pump], None]) -> None:
        running = self._running
        if running is not None:
            loop, pump = running
            try:
                loop.call_soon_threadsafe(tell, pump)
            except RuntimeError:  # it has just ended
                return

    def _at_exit(self) -> None:
        self.close(LAST_PASS)


def _run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on an event loop of its own: here, or beside the loop that runs here already."""

    def run() -> T:
        with asyncio.Runner(loop_factory=_Loop) as runner:
            return runner.run(coroutine)

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return run()
    answers: list[T] = []
    errors: list[BaseException] = []

    def beside() -> None:
        try:
            answers.append(run())
        except BaseException as error:  # noqa: BLE001  it is raised again where the caller is
            errors.append(error)

    thread = threading.Thread(target=beside, name="driftbreaker-relay-once")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return answers[0]


def _stop_on_signals(pump: Pump) -> None:
    if threading.current_thread() is not threading.main_thread():
        return
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, pump.stop)
