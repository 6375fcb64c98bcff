"""Boards that never rest, under readers that never stop: who was told what, and what it all cost."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
from collections import Counter
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import create_async_engine

from driftbreaker import AsyncSwitchboard, Basis, CannotTellError, CircuitBreaker, Handle, Outage, Switchboard

from .alertmanagers import eventually
from .boards import Told, logged, told

# A connection attempt that nobody answers: psycopg waits for its own timeout. In asyncpg's case the board limits it.
CONNECT_ARGUMENTS: dict[str, dict[str, Any]] = {"psycopg": {"connect_timeout": 2}}
READERS = 4
BREATH = 0.0005
PATIENCE = 15.0
LONG_KNOWN = Outage.last_known(timedelta(hours=1))
POLICIES = (Outage.OPEN, Outage.CLOSED, Outage.RAISE, LONG_KNOWN)
CANNOT_TELL = "cannot tell"
Answer = bool | str


class Loop:
    """An event loop in a thread, so that an async board gets on while a test does something else."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="host's loop", daemon=True)
        self._thread.start()

    def wait(self, work: Coroutine[Any, Any, Any], patience: float = 60.0) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(patience)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Running:
    """A started board of any driver, whose calls block."""

    def __init__(self, board: Any, loop: Loop | None) -> None:
        self.board = board
        self._loop = loop

    def call(self, name: str, *args: Any, **options: Any) -> Any:
        result = getattr(self.board, name)(*args, **options)
        return result if self._loop is None else self._loop.wait(result)


@contextmanager
def running(driver: str, url: str, listen_on: str | None = None, **options: Any) -> Iterator[Running]:
    """A started board on an engine of its own: `driver` is psycopg, psycopg-async, asyncpg, sqlite or aiosqlite."""
    arguments = {"connect_args": options.pop("connect_args", CONNECT_ARGUMENTS.get(driver.partition("-")[0], {}))}
    is_async = driver in ("psycopg-async", "asyncpg", "aiosqlite")
    loop = Loop() if is_async else None
    make = create_async_engine if is_async else create_engine
    engines = [make(each, **arguments) for each in (url, listen_on) if each is not None]
    if listen_on is not None:
        options["listen_on"] = engines[1]
    board = Running((AsyncSwitchboard if is_async else Switchboard)(engines[0], **options), loop)
    try:
        board.call("start")
        yield board
    finally:
        board.call("close")
        for engine in engines:
            done = engine.dispose()
            if loop is not None:
                loop.wait(done)
        if loop is not None:
            loop.close()


class Reader(threading.Thread):
    """Reads all handles again and again, and notes each answer that differs from the one before."""

    def __init__(self, board: Any, handles: list[Handle]) -> None:
        super().__init__(name="reader", daemon=True)
        self._board = board
        self._handles = handles
        self.answers: dict[Handle, list[tuple[Basis, bool]]] = {handle: [] for handle in handles}
        self.checks: dict[Handle, list[Answer]] = {handle: [] for handle in handles}
        self.by_name: dict[str, list[bool]] = {handle.name: [] for handle in handles}
        self.errors: list[BaseException] = []
        self.rounds = 0
        self.leaving = False

    def run(self) -> None:
        while not self.leaving:
            try:
                self._read()
            except BaseException as error:
                self.errors.append(error)
            self.rounds += 1
            time.sleep(BREATH)

    def _read(self) -> None:
        for handle in self._handles:
            before = handle.basis
            is_open = handle.is_open
            if handle.basis is before:  # else it changed just now, and nobody can say which belongs to which
                note(self.answers[handle], (before, is_open))
            note(self.checks[handle], check(handle))
        for name, seen in self.by_name.items():
            note(seen, self._board.is_open(name))


def note(seen: list[Any], answer: Any) -> None:
    if seen[-1:] != [answer]:
        seen.append(answer)


def check(handle: Handle) -> Answer:
    """What `check()` says; only a handle that was asked to may raise."""
    try:
        return handle.check()
    except CannotTellError:
        if handle.outage is not Outage.RAISE:
            raise
        return CANNOT_TELL


class Watch:
    """Readers of some breakers, under every outage policy."""

    def __init__(self, board: Any, names: tuple[str, ...]) -> None:
        self.names = names
        self.handles = {(name, policy): board.handle(name, outage=policy) for name in names for policy in POLICIES}
        self.readers = [Reader(board, list(self.handles.values())) for _ in range(READERS)]

    def all_know(self) -> bool:
        """Whether every handle answers from the database."""
        return all(handle.basis is Basis.DATABASE for handle in self.handles.values())

    def nobody_knows(self) -> bool:
        """Whether every handle answers by its outage policy, but for those that trust for an hour."""
        return all(handle.basis is Basis.OUTAGE for handle in self.handles.values() if handle.outage is not LONG_KNOWN)

    def seen(self, name: str, policy: Outage) -> set[tuple[tuple[Basis, bool], ...]]:
        """The courses that the answers took, one of them if all readers saw the same."""
        return {tuple(reader.answers[self.handles[name, policy]]) for reader in self.readers}

    def checked(self, name: str, policy: Outage) -> set[tuple[Answer, ...]]:
        """The same of what `check()` answered."""
        return {tuple(reader.checks[self.handles[name, policy]]) for reader in self.readers}

    def asked_by_name(self, name: str) -> set[tuple[bool, ...]]:
        """The same of what the board answered."""
        return {tuple(reader.by_name[name]) for reader in self.readers}

    @property
    def errors(self) -> list[BaseException]:
        return [error for reader in self.readers for error in reader.errors]


@contextmanager
def watched(board: Any, *names: str) -> Iterator[Watch]:
    """Let readers read meanwhile; none may ever have met an error."""
    watch = Watch(board, names)
    for reader in watch.readers:
        reader.start()
    try:
        eventually(lambda: all(reader.rounds > 1 for reader in watch.readers), "every reader reads")
        yield watch
        rounds = [reader.rounds for reader in watch.readers]
        eventually(
            lambda: all(reader.rounds > before + 1 for reader, before in zip(watch.readers, rounds, strict=True)),
            "every reader has seen the end",
        )
    finally:
        for reader in watch.readers:
            reader.leaving = True
        for reader in watch.readers:
            reader.join()
    assert watch.errors == []


class Announced:
    """What a board said of itself, in events and in lines."""

    def __init__(self, events: Told, lines: list[str]) -> None:
        self._events = events
        self.lines = lines

    def kinds(self) -> Counter[str]:
        return Counter(kind.removeprefix("switchboard_") for kind in self._events.kinds)

    def clear(self) -> None:
        self._events.events.clear()
        self.lines.clear()

    def assert_just(self, **kinds: int) -> None:
        """Exactly these events, and a line for each."""
        assert self.kinds() == kinds, self.lines
        assert len(self.lines) == sum(kinds.values()), self.lines


@contextmanager
def announced() -> Iterator[Announced]:
    """Hear and read what a board says of itself meanwhile."""
    with told() as events, logged() as lines:
        yield Announced(events, lines)


@contextmanager
def another_process(url: str, name: str, *, notify: bool = True) -> Iterator[CircuitBreaker]:
    """A breaker as another process has it: on a connection of its own, and its events do not reach us."""
    from sqlalchemy.orm import Session

    engine = create_engine(url)
    try:
        with unheard_here(), Session(engine) as session:
            yield CircuitBreaker(session, name, notify=notify)
            session.commit()
    finally:
        engine.dispose()


@contextmanager
def unheard_here() -> Iterator[None]:
    """Drop the changes of this process that boards would hear of; what boards say of themselves goes on."""
    from driftbreaker import hooks

    kept = hooks._listeners[:]
    hooks._listeners[:] = [each for each in kept if getattr(each, "__name__", "") != "hear_event"]
    try:
        yield
    finally:
        hooks._listeners[:] = kept


def open_(url: str, name: str, **options: Any) -> None:
    with another_process(url, name, **options) as breaker:
        breaker.disable("to see", actor="alice")


def close_(url: str, name: str, **options: Any) -> None:
    with another_process(url, name, **options) as breaker:
        breaker.enable("seen", actor="alice")


def threads() -> list[str]:
    """The threads of this process by name, but for readers of the test's."""
    return sorted(thread.name for thread in threading.enumerate() if thread.name != "reader")


def descriptors() -> int:
    """How many files and sockets this process has open."""
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


def resident() -> int:
    """How many bytes of memory this process has."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
