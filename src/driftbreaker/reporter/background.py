"""The threads of a reporter that was started: the one that flushes, and the one that watches over it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from ..forks import forget_forks, tell_of_forks
from .exits import tell_no_more, tell_of_a_childs_end, tell_of_the_end
from .flusher import Flusher
from .sending import Sender
from .watch import Watch

_logger = logging.getLogger("driftbreaker")
#: How long the interpreter's exit waits for what was reported last.
AT_EXIT = 2.0
GRACE = 0.5
#: How long to wait after what should never happen: not to do it again and again without a pause.
PAUSE = 1.0
#: How often the last flush is tried: the connections in the pool may be those of before an outage.
LAST_TRIES = 2


class Bell:
    """Wakes one thread, once however often it is rung before that.

    Nothing else than one step of the interpreter's: an `Event` is locked within, and whoever rings it in a signal
    handler or a finaliser, amid another ring or the waiting itself, would wait for itself.
    """

    def __init__(self) -> None:
        self._silent = threading.Lock()
        self._silent.acquire()

    def ring(self) -> None:
        """Wake it now, or let it not fall asleep."""
        with suppress(RuntimeError):  # it rings already
            self._silent.release()

    def wait(self, seconds: float = -1) -> None:
        """Wait until it rings, or so many seconds."""
        self._silent.acquire(timeout=seconds)


class Background:
    """Flushes until it is closed, or the process ends."""

    def __init__(self, sender: Sender, flusher: Flusher, close: Callable[[float], None]) -> None:
        self._sender = sender
        self._flusher = flusher
        self._at_exit = partial(close, AT_EXIT)
        self._forget()
        self._start()
        if not flusher.is_idle:
            self._due.ring()
        sender.in_background = True
        tell_of_forks(self)
        tell_of_the_end(self._at_exit)

    def wake(self) -> None:
        """Flush when it is time. Called by those who report: it waits for nothing and raises nothing."""
        # Nobody waits for another one who starts it: that may be the same thread, amid this very call.
        if self._thread is None and not self._closing.is_set() and self._starting.acquire(blocking=False):
            try:
                if self._thread is None:
                    self._start()
            except RuntimeError:  # no more threads: what waits is written at the end
                _logger.exception("driftbreaker: the reporter of this process has no thread to flush in")
            finally:
                self._starting.release()
        self._due.ring()

    def close(self, timeout: float) -> None:
        """Flush once more and end, within `timeout` seconds."""
        self._closing.set()
        self._due.ring()
        thread, watch = self._thread, self._watch
        if thread is None:
            self._flush_last()
        elif thread is not threading.current_thread():  # a listener may close it: then it ends after this flush
            thread.join(max(timeout - GRACE, timeout / 2))
            if thread.is_alive():
                self._given_up = True
                self._sender.interrupt()
                thread.join(min(GRACE, timeout / 2))
            if thread.is_alive():
                _logger.warning("driftbreaker: the reporter's last flush did not end within %g s", timeout)
        if watch is not None:
            watch.end()
        self._sender.in_background = False
        tell_no_more(self._at_exit)
        forget_forks(self)

    def before_fork(self) -> None:
        """The flush that is under way is waited for by whoever sends it."""

    def after_fork_in_parent(self) -> None:
        """Go on."""

    def after_fork_in_child(self) -> None:
        """The threads are not there; the first report starts them."""
        self._forget()

    def _forget(self) -> None:
        self._starting = threading.Lock()
        self._closing = threading.Event()
        self._given_up = False
        self._due: Bell = Bell()
        self._thread: threading.Thread | None = None
        self._watch: Watch | None = None

    def _start(self) -> None:
        watch = Watch(self._look)
        thread = threading.Thread(target=self._serve, name="driftbreaker-reporter", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            watch.end()
            raise
        self._thread, self._watch = thread, watch
        tell_of_a_childs_end(self._at_exit)

    def _serve(self) -> None:
        while not self._closing.is_set():
            self._due.wait()
            self._wait_for_more(time.monotonic())
            if not self._closing.is_set():
                self._guarded(due_only=True)
            if not self._flusher.is_idle:
                self._due.ring()
        self._flush_last()

    def _wait_for_more(self, since: float) -> None:
        while not self._closing.is_set() and (delay := self._flusher.delay(since)) > 0:
            self._due.wait(delay)

    def _flush_last(self) -> None:
        """Write also what was reported while the flush before was under way."""
        for _ in range(LAST_TRIES):
            if not (self._given_up or self._flusher.is_idle):
                self._guarded(due_only=False)

    def _guarded(self, *, due_only: bool) -> None:
        try:
            self._sender.flush(due_only=due_only)
        except BaseException:  # a listener's SystemExit as well: this thread is nobody else's
            # Nothing may end this thread: reports would wait for ever.
            with suppress(BaseException):
                _logger.exception("driftbreaker: a flush of the reporter failed")
            self._closing.wait(PAUSE)

    def _look(self, now: float) -> None:
        self._sender.watch(now)
        if not self._flusher.is_idle:
            # Whoever was interrupted after it reported, and before it rang, is not forgotten.
            self._due.ring()
