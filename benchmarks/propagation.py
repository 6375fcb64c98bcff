"""How long after its commit a trip is seen in another process, and whether any is missed.

All stamps are CLOCK_MONOTONIC's, which all processes of a machine share: when `commit()` is called where the trip is
made, and when it is seen. Not when `commit()` returns: a notification may well arrive before that.
"""

from __future__ import annotations

import math
import multiprocessing
import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

import psycopg
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.orm import Session

from driftbreaker import CircuitBreaker, Switchboard

POLL = 0.2
WRITERS, TRIPS_EACH = 16, 40
HOLD = 0.010
PATIENCE = 60.0
# How long a watcher sleeps between two looks at few handles and at many: looking must not keep the board's own thread
# from its work.
FEW, MANY = 5e-5, 1e-3
_FORK = multiprocessing.get_context("fork")


@dataclass(frozen=True)
class Promise:
    """A figure that we promise to keep at or below a limit."""

    figure: str
    value: float
    limit: float

    def __str__(self) -> str:
        return f"{self.figure} {self.value:.3g} ≤ {self.limit:g} {'ok' if self.value <= self.limit else 'BROKEN'}"


@dataclass(frozen=True)
class Delays:
    """Milliseconds from each commit until it was seen, of those that were."""

    name: str
    taken: Sequence[float]
    promises: Sequence[Promise] = ()

    @property
    def p50(self) -> float:
        """The median."""
        return self._percentile(50)

    @property
    def p99(self) -> float:
        """What one in a hundred exceeds."""
        return self._percentile(99)

    def _percentile(self, percent: int) -> float:
        # Nothing can be said where next to nothing was seen.
        return statistics.quantiles(self.taken, n=100)[percent - 1] if len(self.taken) > 1 else math.nan


def listening(url: str, trips: int = 200) -> list[Delays]:
    """A bare LISTEN beside a board that listens, in turns, each in a process of its own; the trips are alike."""
    ears, watcher = _Process(partial(_hear, url)), _Process(partial(_watch, url, {}))
    engine = create_engine(url)
    rounds = [(_bare_trip(engine, ears), _trip(engine, watcher)) for _ in range(trips)]
    ears.stop()
    watcher.stop()
    engine.dispose()
    bare = Delays("bare LISTEN", [taken for taken, _ in rounds])
    ours = Delays("Switchboard, LISTEN", [taken for _, taken in rounds])
    promises = (Promise("p50 / bare p50", ours.p50 / bare.p50, 4), Promise("p99", ours.p99, 25))
    return [bare, replace(ours, promises=promises)]


def _bare_trip(engine: Engine, ears: _Process) -> float:
    with Session(engine) as session:
        # The same transaction as ours, but for whom it wakes.
        CircuitBreaker(session, "bare", notify=False).disable("bench", actor="bench")
        session.execute(text("""SELECT pg_notify('bench', '["bare", "", 1]')"""))
        at = _commit(session)
    delay = (ears.hear() - at) * 1000
    _enable(engine, "bare", notify=False)
    return delay


def _trip(engine: Engine, watcher: _Process) -> float:
    watcher.ask((["tripped"], True, FEW))
    at = _disable(engine, "tripped")
    seen = watcher.hear()["tripped"]
    watcher.ask((["tripped"], False, FEW))
    _enable(engine, "tripped")
    watcher.hear()
    return (seen - at) * 1000


def polling(url: str, trips: int = 200) -> Delays:
    """A board in another process that polls and does not listen; each trip is of a breaker of its own."""
    watcher = _Process(partial(_watch, url, {"listen": False, "poll": POLL}))
    engine = create_engine(url)
    names = [f"polled-{number}" for number in range(trips)]
    watcher.ask((names, True, MANY))
    committed = {}
    for name in names:
        # Not in step with the polls, and few to each: one that the machine held up must not be one trip in a hundred.
        time.sleep(random.uniform(0, POLL))
        committed[name] = _disable(engine, name)
    taken = _delays(committed, watcher.hear())
    watcher.stop()
    engine.dispose()
    found = Delays(f"Switchboard, polls each {POLL:g} s", taken)
    late = Promise("p99 in intervals", found.p99 / 1000 / POLL, 1.1)
    return replace(found, promises=[late, _missed(trips, taken)])


def crowd(url: str, **options: float) -> Delays:
    """Sixteen processes, each in transactions held 0 to 10 ms, and a board that must miss none of their trips."""
    watcher = _Process(partial(_watch, url, options))
    writers = [_Process(partial(_write, url)) for _ in range(WRITERS)]
    names = [f"t{number}" for number in range(WRITERS * TRIPS_EACH)]
    watcher.ask((names, True, MANY))
    for number, writer in enumerate(writers):
        writer.tell(names[number::WRITERS])
    committed = {name: at for writer in writers for name, at in writer.hear().items()}
    taken = _delays(committed, watcher.hear())
    for process in (watcher, *writers):
        process.stop()
    return Delays(f"{len(taken)} of {len(names)} seen", taken, [_missed(len(names), taken)])


def _missed(trips: int, taken: Sequence[float]) -> Promise:
    return Promise("missed", trips - len(taken), 0)


def _delays(committed: dict[str, float], seen: dict[str, float]) -> list[float]:
    return [(seen[name] - at) * 1000 for name, at in committed.items() if name in seen]


def _disable(engine: Engine, name: str, hold: float = 0.0) -> float:
    with Session(engine) as session:
        CircuitBreaker(session, name).disable("bench", actor="bench")
        time.sleep(hold)
        return _commit(session)


def _commit(session: Session) -> float:
    at = time.monotonic()
    session.commit()
    return at


def _enable(engine: Engine, name: str, *, notify: bool = True) -> None:
    with Session(engine) as session, session.begin():
        CircuitBreaker(session, name, notify=notify).enable("bench", actor="bench")


def _hear(url: str, pipe: Connection) -> None:
    with psycopg.connect(url.replace("postgresql+psycopg", "postgresql"), autocommit=True) as connection:
        connection.execute("LISTEN bench")
        pipe.send(None)
        for _ in connection.notifies():
            pipe.send(time.monotonic())


def _watch(url: str, options: dict[str, Any], pipe: Connection) -> None:
    engine = create_engine(url)
    with Switchboard(engine, **options) as board:
        pipe.send(None)
        while True:
            names, until, pause = pipe.recv()
            waiting = {name: board[name] for name in names}
            pipe.send(None)
            seen: dict[str, float] = {}
            deadline = time.monotonic() + PATIENCE
            while waiting and time.monotonic() < deadline:
                for name in [name for name, handle in waiting.items() if handle.is_open is until]:
                    seen[name] = time.monotonic()
                    del waiting[name]
                time.sleep(pause)
            pipe.send(seen)


def _write(url: str, pipe: Connection) -> None:
    # On SQLite they wait for one another.
    engine = create_engine(url, connect_args={"timeout": 60} if url.startswith("sqlite") else {})
    pipe.send(None)
    pipe.send({name: _disable(engine, name, random.uniform(0, HOLD)) for name in pipe.recv()})


class _Process:
    """A forked process that says when it is ready, and then answers what it is told."""

    def __init__(self, serve: Callable[[Connection], None]) -> None:
        self._pipe, theirs = _FORK.Pipe()
        self._process = _FORK.Process(target=serve, args=(theirs,), daemon=True)
        self._process.start()
        # So that hearing fails, and does not wait, where the process has died.
        theirs.close()
        self.hear()

    def tell(self, what: object) -> None:
        self._pipe.send(what)

    def hear(self) -> Any:
        return self._pipe.recv()

    def ask(self, what: object) -> Any:
        self.tell(what)
        return self.hear()

    def stop(self) -> None:
        self._process.kill()
        self._process.join()
