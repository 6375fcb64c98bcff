"""Sixteen forked processes, each in transactions that it holds for 5 ms: what does the breaker cost the throughput?

And why: where the processors are busy all the time, a throughput's share is the share of processor time. So what a
transaction takes of that is measured along, of the client's and of the server's. The same with two processes shows what
is left where there is time to spare.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Engine, create_engine, text
from sqlalchemy.orm import Session

from driftbreaker import BreakerSettings, CircuitBreaker

from .peers import OriginBreaker, prepare_origin
from .rounds import Result

PROCESSES = 16
#: So few that the processors are idle most of the time.
FEW = 2
HOLD = 0.005
NEVER = BreakerSettings(failure_threshold=2**40, ttl=timedelta(days=1))

Work = Callable[[Session, int], None]


@dataclass(frozen=True)
class Load:
    """A kind of transaction; `limit` is the least share of the baseline's throughput that we promise."""

    name: str
    work: Work
    limit: float | None = None
    #: Beside which load the promise is read; the bare transaction when empty.
    beside: str = ""


def _bare(session: Session, turn: int) -> None:
    """The caller's own work: one row, as a service writes one."""
    session.execute(text("INSERT INTO bench_work (turn) VALUES (:turn)"), {"turn": turn})


def _raw_read(session: Session, turn: int) -> None:
    """What no check can beat: one read by primary key, straight through the driver."""
    _bare(session, turn)
    driver = session.connection().connection.dbapi_connection
    assert driver is not None
    driver.cursor().execute("SELECT status FROM driftbreaker_breakers WHERE name = 'quiet' AND scope = ''").fetchone()


def _check(session: Session, turn: int) -> None:
    _bare(session, turn)
    CircuitBreaker(session, "quiet", settings=NEVER).is_disabled()


def _healthy(session: Session, turn: int) -> None:
    _bare(session, turn)
    CircuitBreaker(session, "quiet", settings=NEVER).report_drift(0.1)


def _open(session: Session, turn: int) -> None:
    _bare(session, turn)
    CircuitBreaker(session, "open").report_drift(0.9)


def _flapping(session: Session, turn: int) -> None:
    _bare(session, turn)
    CircuitBreaker(session, "flapping", settings=NEVER).report_drift(0.9 if turn % 2 else 0.1)


def _flapping_late(session: Session, turn: int) -> None:
    _bare(session, turn)
    CircuitBreaker(session, "late", settings=NEVER, when="commit").report_drift(0.9 if turn % 2 else 0.1)


def _origin(session: Session, turn: int) -> None:
    _bare(session, turn)
    OriginBreaker(session, "flapping", threshold=2**30).report_drift(0.9 if turn % 2 else 0.1)


def _origin_check(session: Session, turn: int) -> None:
    _bare(session, turn)
    OriginBreaker(session, "quiet").is_disabled()


LOADS = (
    Load("no breaker", _bare),
    Load("a raw driver's read", _raw_read),
    Load("check", _check, 0.85),
    Load("healthy report", _healthy, 0.85),
    Load("bad report on an open breaker", _open, 0.8),
    Load("flapping, late", _flapping_late, 0.45),
    Load("flapping, immediate", _flapping, 1.4, beside="flapping, the origin's algorithm"),
    Load("flapping, the origin's algorithm", _origin),
    Load("check, the origin's algorithm", _origin_check),
)


class Run(NamedTuple):
    """What some transactions came to: how many, and the seconds of processor time of clients and servers."""

    done: int
    client: float
    server: float


@dataclass(frozen=True)
class Cost:
    """What one transaction takes of a processor, in microseconds; `busy`, the share of all processors' time in use."""

    name: str
    client: float
    server: float
    busy: float


@dataclass(frozen=True)
class Contest:
    """Shares of the bare throughput, what each kind of transaction costs, and the incidents that were made."""

    shares: list[Result]
    costs: list[Cost]
    incidents: int


def prepare(engine: Engine) -> None:
    """Make the tables and the rows that the loads use."""
    prepare_origin(engine, "quiet", "flapping")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE bench_work (id BIGSERIAL PRIMARY KEY, turn BIGINT NOT NULL)"))
    with Session(engine) as session, session.begin():
        for name in ("quiet", "flapping", "late"):
            CircuitBreaker(session, name, settings=NEVER).report_drift(0.9)
            CircuitBreaker(session, name, settings=NEVER).report_drift(0.1)
        CircuitBreaker(session, "open").disable("bench", actor="bench")


def contend(url: str, processes: int = PROCESSES, *, rounds: int = 5, seconds: float = 1.0) -> Contest:
    """Run every load in every round, in so many processes."""
    engine = create_engine(url)
    before = _incidents(engine)
    workers = [_Worker(url) for _ in range(processes)]
    runs: dict[str, list[Run]] = {load.name: [] for load in LOADS}
    for number in range(rounds):
        turn = number % len(LOADS)
        for load in (*LOADS[turn:], *LOADS[:turn]):
            runs[load.name].append(_run(workers, LOADS.index(load), seconds))
    for worker in workers:
        worker.stop()
    made = _incidents(engine) - before
    engine.dispose()
    shares = [_share(load, runs, seconds, promised=processes == PROCESSES) for load in LOADS]
    return Contest(shares, [_cost(name, found, seconds) for name, found in runs.items()], made)


def _incidents(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM driftbreaker_incidents")).scalar_one())


class _Worker:
    """A forked process that runs loads when told to."""

    def __init__(self, url: str) -> None:
        context = multiprocessing.get_context("fork")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(url, theirs), daemon=True)
        self._process.start()

    def start(self, load: int, at: float, until: float) -> None:
        self._pipe.send((load, at, until))

    def result(self) -> Run:
        return Run(*self._pipe.recv())

    def stop(self) -> None:
        self._pipe.send(None)
        self._process.join(10)


def _serve(url: str, pipe: Connection) -> None:
    engine = create_engine(url, pool_size=1)
    while (order := pipe.recv()) is not None:
        load, at, until = order
        backend = _backend(engine)
        time.sleep(max(0.0, at - time.monotonic()))
        done, client, server = 0, time.process_time(), _processor_time(backend)
        while time.monotonic() < until:
            with Session(engine) as session, session.begin():
                LOADS[load].work(session, done)
                time.sleep(HOLD)
            done += 1
        pipe.send((done, time.process_time() - client, _processor_time(backend) - server))
    engine.dispose()


def _backend(engine: Engine) -> int:
    """Return the process on the server of the one connection in the pool."""
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())


def _processor_time(process: int) -> float:
    """Return the seconds that a process has run; not a number where the system does not say."""
    try:
        return int(Path(f"/proc/{process}/schedstat").read_text().split()[0]) / 1e9
    except OSError:
        return float("nan")


def _run(workers: Sequence[_Worker], load: int, seconds: float) -> Run:
    # A gate: everybody starts at the same moment.
    at = time.monotonic() + 0.05
    for worker in workers:
        worker.start(load, at, at + seconds)
    done, client, server = zip(*(worker.result() for worker in workers), strict=True)
    return Run(sum(done), sum(client), sum(server))


def _share(load: Load, runs: dict[str, list[Run]], seconds: float, *, promised: bool) -> Result:
    mine, beside = runs[load.name], runs[load.beside or LOADS[0].name]
    shares = sorted(each.done / base.done for each, base in zip(mine, beside, strict=True))
    low, _, high = statistics.quantiles(shares, n=4)
    return Result(
        load.name,
        statistics.median(each.done / seconds for each in mine),
        statistics.median(shares),
        low,
        high,
        load.limit if promised else None,
        at_least=True,
    )


def _cost(name: str, runs: list[Run], seconds: float) -> Cost:
    done = sum(each.done for each in runs)
    client, server = sum(each.client for each in runs), sum(each.server for each in runs)
    busy = (client + server) / (len(runs) * seconds * (os.cpu_count() or 1))
    return Cost(name, client / done * 1e6, server / done * 1e6, busy)
