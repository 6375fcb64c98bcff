"""A program with a reporter simply ends: what waits is written, or given up in time, and nothing is half-written."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from driftbreaker.testing import PostgresServer
from tests.support.alertmanagers import eventually
from tests.support.line import Line
from tests.support.pooler import port_of
from tests.support.promises import assert_promises_kept
from tests.support.reported import KINDS, engine_for, reporting
from tests.support.size import LONG, size
from tests.support.worlds import World

ROOT = Path(__file__).parents[2]
HEAD = """
import atexit, multiprocessing, os, sys, threading, time
from sqlalchemy import create_engine
from driftbreaker import BreakerSettings, Reporter
arguments = {"connect_timeout": 2} if "psycopg" in sys.argv[1] else {}
engine = create_engine(sys.argv[1], connect_args=arguments)
atexit.register(engine.dispose)  # before the reporter starts, and so after its last flush
NEVER = BreakerSettings(failure_threshold=1_000_000)
reporter = Reporter(engine, interval=60.0, settings={"pricing": NEVER})
def report(times=10):
    for _ in range(times):
        reporter.report("pricing", 0.5)
"""
PROGRAMS = {
    "it just ends": "reporter.start(); report()",
    "sys.exit": "reporter.start(); report(); sys.exit(0)",
    "in an exit handler of later": "reporter.start(); atexit.register(report)",
    "daemon threads go on": """
reporter.start()
def forever():
    while True:
        report()
        time.sleep(0.001)
report()
for _ in range(4):
    threading.Thread(target=forever, daemon=True).start()
time.sleep(0.1)
""",
    "never started, closed": "report(); reporter.close()",
    "never started, closed at exit": "report(); atexit.register(reporter.close)",
    "within a with statement": "with reporter: report()",
    "closed twice": "reporter.start(); report(); reporter.close(); reporter.close()",
}
# Two are told that they should start it, one what came after the end.
TALKATIVE = {"never started, closed", "never started, closed at exit", "daemon threads go on"}


ON_POSTGRES = {"it just ends", "daemon threads go on"}


def run(program: str, url: str, *, timeout: float = 30.0) -> tuple[float, int, str]:
    began = time.monotonic()
    command = [sys.executable, "-W", "error", "-X", "dev", "-c", HEAD + program, url]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=timeout, check=False)
    return time.monotonic() - began, done.returncode, done.stderr


def failures(url: str) -> int:
    engine = create_engine(url)
    with engine.connect() as connection:
        found = connection.execute(text("SELECT sum(failures) FROM driftbreaker_breakers")).scalar_one() or 0
    engine.dispose()
    return int(found)


@pytest.mark.parametrize(
    ("program", "database"),
    [(program, "sqlite") for program in PROGRAMS]
    + [(program, "postgres") for program in PROGRAMS if LONG or program in ON_POSTGRES],
)
def test_what_waits_is_written_when_the_program_ends(
    request: pytest.FixtureRequest, database: str, program: str
) -> None:
    url = request.getfixturevalue(f"{database}_url")
    took, status, said = run(PROGRAMS[program], url)
    assert status == 0, said
    if program not in TALKATIVE:
        assert said == ""
    elif "daemon" in program:
        assert "dropped" in said
        assert len(said.splitlines()) == 1
    assert took < 5.0
    written = failures(url)
    assert written >= 10 if program == "daemon threads go on" else written == 10


HUNG = """
reporter.start()
reporter.report("warm", 0.1)
assert reporter.flush()
print("ready", flush=True)
sys.stdin.readline()
report()
"""


@pytest.mark.parametrize("amid", ["a flush", "nothing"])
def test_the_exit_waits_no_longer_than_it_says_for_a_database_that_hangs(
    postgres: PostgresServer, postgres_database: str, amid: str
) -> None:
    program = HEAD.replace("interval=60.0", "interval=0.01" if amid == "a flush" else "interval=60.0") + HUNG
    with Line(port_of(postgres)) as line:
        command = [
            sys.executable,
            "-W",
            "error",
            "-c",
            program + ("time.sleep(0.3)" if amid == "a flush" else ""),
            line.url(postgres.url(postgres_database)),
        ]
        with subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as host:
            assert host.stdout is not None
            assert host.stdout.readline() == "ready\n"
            line.silence()
            began = time.monotonic()
            _, said = host.communicate("\n", timeout=30)
            took = time.monotonic() - began
        assert host.returncode == 0, said
        print(f"\nended after {took:.2f} s")
        assert took < 2.0 + 1.5
        assert "dropped 10 reports: in all 10 closed" in said
        assert "Traceback" not in said


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("started", [True, False])
@pytest.mark.parametrize("fault", ["silence", "vanish", "connect"])
def test_close_holds_its_timeout_where_the_database_hangs(
    postgres: PostgresServer, postgres_database: str, started: bool, fault: str, kind: str
) -> None:
    """Only who waits to be connected cannot be interrupted: the driver's own timeout ends that."""
    url = postgres.url(postgres_database)
    with Line(port_of(postgres)) as line:
        engine = engine_for(kind, line.url(url), connect_args={"connect_timeout": 2})
        with reporting(engine, url, started=started, interval=60.0, patience=30.0) as desk:
            desk.report("warm")
            assert desk.reporter.flush()
            if fault == "connect":
                desk.disconnect(engine)
            (line.vanish if fault == "vanish" else line.silence)()
            desk.report(times=10)
            began = time.monotonic()
            desk.reporter.close(timeout=1.0)
            took = time.monotonic() - began
            print(f"\nclosed after {took:.2f} s")
            assert took < 1.3
            if fault != "connect":
                assert not threads()
            # A driver may take its time to give up a connection: that goes on by itself.
            eventually(lambda: not (threads() or desk.reporter.counts.waiting), "its threads and tasks end", 10)
            desk.assert_counts_are_exact()
            counts = desk.reporter.counts
            assert counts.why_dropped.get("closed", 0) + counts.in_doubt == 10


def test_close_amid_a_flush_that_hangs_begins_no_other(postgres: PostgresServer, postgres_database: str) -> None:
    url = postgres.url(postgres_database)
    with Line(port_of(postgres)) as line:
        engine = create_engine(line.url(url), connect_args={"connect_timeout": 2})
        with reporting(engine, url, patience=30.0) as desk:
            desk.report("warm")
            desk.assert_all_is_there()
            line.silence()
            desk.report(times=10)
            eventually(lambda: desk.reporter._sender._busy_since, "a flush is under way")
            desk.report(times=10)
            desk.reporter.close(timeout=1.0)
            assert not threads()
            desk.assert_counts_are_exact()
            assert desk.reporter.counts.waiting == 0


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("driftbreaker-reporter")]


def test_a_flush_by_hand_is_interrupted_after_its_patience(postgres: PostgresServer, postgres_database: str) -> None:
    url = postgres.url(postgres_database)
    with Line(port_of(postgres)) as line:
        engine = create_engine(line.url(url), connect_args={"connect_timeout": 2})
        with reporting(engine, url, started=False, patience=0.5) as desk:
            desk.report()
            assert desk.reporter.flush()
            line.silence()
            desk.report(times=10)
            began = time.monotonic()
            assert not desk.reporter.flush()
            assert time.monotonic() - began < 2.0
            assert not threads()
            line.heal()
            line.cut()
            assert desk.reporter.flush()
            desk.assert_all_is_there()


DOOMED = """
import random
settings = {"pricing": NEVER, "search": BreakerSettings(failure_threshold=3)}
reporter = Reporter(engine, interval=0.0011, settings=settings)
reporter.start()
print("ready", flush=True)
while True:
    for _ in range(7):
        reporter.report("pricing", 0.5)
        reporter.report("search", 0.5)
        reporter.report_schema_error("orders", 1)
    time.sleep(0.0005)
"""


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_death_at_any_moment_leaves_nothing_half_written(request: pytest.FixtureRequest, database: str) -> None:
    url, dice = request.getfixturevalue(f"{database}_url"), random.Random(0)
    world = World("sqlite" if database == "sqlite" else "psycopg", url, create_engine(url))
    before = 0
    for _ in range(size(3, 100)):
        command = [sys.executable, "-c", HEAD + DOOMED, url]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as host:
            assert host.stdout is not None
            assert host.stdout.readline() == b"ready\n"
            time.sleep(0.1 + dice.random() * 0.1)
            host.kill()
        assert_promises_kept(world)
        now = failures(url)
        assert now > before
        before = now
        with reporting(create_engine(url), url, started=False) as desk:
            desk.report("next")
            assert desk.reporter.flush(), "no lock of the dead is in the way"
    world.close()
