"""A crowd of real processes that start together, race on one database, and report back."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from sqlalchemy import Engine, create_engine, event, text

from tests.support.children import CHILDREN, import_before_forking
from tests.support.worlds import World

BUSY_SECONDS = 60.0
RUN_SECONDS = 60.0
# How much longer the others may take when one has failed: the race is lost, its other errors may tell why.
GRACE_SECONDS = 5.0
MEETING_SECONDS = 10.0
# How long a holder holds when nobody tells it to let go: only a reader that had to wait for it ever sees the end.
HOLDING_SECONDS = 5.0

import_before_forking("tests.support.crowd")


@dataclass(frozen=True)
class Place:
    """Where a crowd meets: a database and a driver, as plain text that travels between processes.

    `begin` is the statement that begins a transaction on SQLite, in place of the driver's own way, as docs/sqlite.md
    has it.
    """

    driver: str
    url: str
    plain: str
    begin: str | None = None

    @contextmanager
    def open(self) -> Iterator[World]:
        options: dict[str, Any] = {"connect_args": {"timeout": BUSY_SECONDS}} if "sqlite" in self.driver else {}
        world = World(self.driver, self.url, create_engine(self.plain), **options)
        if self.begin is not None:
            begin_for_real(world.sync_engine, self.begin)
        try:
            yield world
        finally:
            world.close()


def begin_for_real(engine: Engine, begin: str = "BEGIN") -> None:
    """Take SQLite's BEGIN out of the driver's hands, as SQLAlchemy's manual has it."""
    event.listen(engine, "connect", lambda connection, _: setattr(connection, "isolation_level", None))
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))


class Member:
    """One process of the crowd, as its task sees it. It retries nothing: an error that a task meets is reported."""

    def __init__(self, number: int, place: Place, world: World, line: Connection) -> None:
        self.number = number
        self.place = place
        self.world = world
        self._line = line

    def meet(self, patience: float = MEETING_SECONDS) -> None:
        """Wait until every member that still works has come here."""
        self._line.send(("meet", None))
        if not self._line.poll(patience):
            raise TimeoutError(f"the others did not come within {patience:g} s: somebody waits for a lock")
        self._line.recv()

    def hold(self) -> bool:
        """Wait to be told to let go; False when that took too long."""
        self._line.send(("holding", None))
        return self._line.poll(HOLDING_SECONDS) and bool(self._line.recv())


def until_somebody_waits(world: World) -> None:
    """Wait until a transaction waits for another one's lock. PostgreSQL only."""
    deadline = time.monotonic() + MEETING_SECONDS
    with world.outside.connect() as connection:
        while not connection.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar_one():
            assert time.monotonic() < deadline, "nobody waits"
            time.sleep(0.01)


Task = Callable[..., Any]


class Holder:
    """A process that holds its transaction open."""

    let_go_when_told = False


class Crowd:
    """Processes that are started once and race many times; those of a failed race are replaced."""

    def __init__(self) -> None:
        self._members: list[tuple[Any, Connection]] = []

    def race(self, size: int, place: Place, task: Task, *args: Any) -> list[Any]:
        """Run ``task(member, *args)`` in `size` processes at once; return what each returned, in member order.

        Raises AssertionError with the tracebacks of all that raised, and with the number of those that hang.
        """
        lines = self._engage(size)
        try:
            outcomes = self._listen(lines, (task, place, args))
        except BaseException:
            self.dismiss()
            raise
        failures = [value for kind, value in outcomes if kind == "error"]
        if failures:
            self.dismiss()
            raise AssertionError(f"{len(failures)} of {size} failed:\n" + "\n".join(sorted(set(failures))))
        return [value for _, value in outcomes]

    def _listen(self, lines: list[Connection], job: tuple[Any, ...]) -> list[tuple[str, Any]]:
        deadline = time.monotonic() + RUN_SECONDS
        outcomes: dict[int, tuple[str, Any]] = {}
        met: set[int] = set()
        for number, line in enumerate(lines):
            line.send((number, *job))
        while len(outcomes) < len(lines):
            working = {line: number for number, line in enumerate(lines) if number not in outcomes}
            heard = wait(list(working), max(0.0, deadline - time.monotonic()))
            if not heard:
                outcomes |= dict.fromkeys(working.values(), ("error", "Not done in time."))
            for line in heard:
                number = working[line]  # type: ignore[index]
                kind, value = line.recv()  # type: ignore[union-attr]
                if kind == "meet":
                    met.add(number)
                else:
                    outcomes[number] = (kind, value)
                    met.discard(number)
                    if kind == "error":
                        deadline = min(deadline, time.monotonic() + GRACE_SECONDS)
            if len(met) + len(outcomes) == len(lines):
                for number in met:
                    lines[number].send("go on")
                met.clear()
        return [outcomes[number] for number in range(len(lines))]

    @contextmanager
    def holding(self, place: Place, task: Task, *args: Any) -> Iterator[Holder]:
        """Run a task up to where it calls `Member.hold`, and tell it to let go at the end of the block."""
        holder = Holder()
        (line,) = self._engage(1)
        try:
            line.send((0, task, place, args))
            assert self._hear(line) == ("meet", None)
            line.send("go on")
            assert self._hear(line) == ("holding", None)
            yield holder
            line.send("let go")
            kind, value = self._hear(line)
            assert kind == "done", value
            holder.let_go_when_told = value
        finally:
            if not holder.let_go_when_told:
                self.dismiss()

    @staticmethod
    def _hear(line: Connection) -> Any:
        assert line.poll(RUN_SECONDS), f"not a word for {RUN_SECONDS:g} s"
        return line.recv()

    def _engage(self, size: int) -> list[Connection]:
        missing = size - len(self._members)
        for _ in range(missing):
            ours, theirs = CHILDREN.Pipe()
            process = CHILDREN.Process(target=_serve, args=(theirs,), daemon=True)
            process.start()
            theirs.close()
            self._members.append((process, ours))
        return [line for _, line in self._members[:size]]

    def dismiss(self) -> None:
        """End all processes, whatever they are doing."""
        for process, line in self._members:
            process.kill()
            process.join()
            process.close()
            line.close()
        self._members.clear()


def _serve(line: Connection) -> None:
    while True:
        number, task, place, args = line.recv()
        try:
            with place.open() as world:
                with world.session() as session:  # connecting is no part of the race
                    session.execute(text("SELECT 1"))
                member = Member(number, place, world, line)
                member.meet(RUN_SECONDS)  # the first race waits for all processes to be up
                outcome = ("done", task(member, *args))
        except Exception:
            outcome = ("error", traceback.format_exc())
        line.send(outcome)
