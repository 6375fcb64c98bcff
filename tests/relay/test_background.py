"""The relay in the host's process: starts when told, drains at the end, comes back after a fork, ends on a signal."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import trustme
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

import driftbreaker
from driftbreaker import AsyncRelay, CircuitBreaker, InvalidArgumentError, Pass, Relay
from tests.support.background import arrives, in_background
from tests.support.inbox import Inbox
from tests.support.receiver import Receiver
from tests.support.worlds import CHOSEN, World

SYNC = [driver for driver in CHOSEN if driver in ("sqlite", "psycopg")]

HOST = """
import atexit, os, signal, sys, time
from pathlib import Path
from sqlalchemy import create_engine
from sqlalchemy.orm import Session
from driftbreaker import CircuitBreaker, Relay
from tests.support.doomed import Letterbox

url, letters = sys.argv[1], Path(sys.argv[2])
engine = create_engine(url)
atexit.register(engine.dispose)  # before the relay starts, and so after its last pass

def off(name):
    with Session(engine) as session, session.begin():
        CircuitBreaker(session, name).disable("off", actor="alice")

def wait(count):
    deadline = time.monotonic() + 20
    while len(Letterbox(letters).letters) < count and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(Letterbox(letters).letters) == count, Letterbox(letters).letters

relay = Relay(engine, [Letterbox(letters)], poll=3600.0)
"""


def host(world: World, tmp_path: Path, program: str) -> list[str]:
    """Run a host program to its end; return the letters that it got out."""
    letters = tmp_path / "letters"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", HOST + program, world.url, str(letters)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return [line.split()[0] for line in letters.read_text().splitlines()] if letters.exists() else []


def test_closing_sends_what_was_committed_last(world: World) -> None:
    inbox = Inbox()
    with in_background(world, inbox), world.committed() as breaker:
        breaker.disable("off", actor="alice")
    assert inbox.states == ["firing"]


def test_nothing_is_left_behind_after_close(world: World) -> None:
    async def tasks() -> int:
        return len(asyncio.all_tasks())

    with in_background(world, Inbox()):
        pass
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("driftbreaker")]
    assert world.runner.run(tasks()) == 1, "the one that asks"


def test_starting_twice_and_closing_twice_is_once(world: World) -> None:
    inbox = Inbox()
    with in_background(world, inbox) as relay:
        if not world.is_async:
            relay.start()
        with world.committed() as breaker:
            breaker.disable("off", actor="alice")
        assert arrives(world, inbox)
    relay.close()
    assert len(inbox.alerts) == 1


def test_run_once_works_inside_a_running_event_loop(sqlite_url: str) -> None:
    inbox, engine = Inbox(), create_engine(sqlite_url)
    with Session(engine) as session, session.begin():
        CircuitBreaker(session, "pricing").disable("off", actor="alice")

    async def main() -> Pass:
        return Relay(engine, [inbox]).run_once()

    assert asyncio.run(main()) == Pass(sent=1)
    engine.dispose()


def test_an_in_memory_database_is_refused_in_the_background_and_served_on_call() -> None:
    for options in ({}, {"poolclass": StaticPool, "connect_args": {"check_same_thread": False}}):
        engine = create_engine("sqlite://", **options)
        driftbreaker.metadata.create_all(engine)
        with pytest.raises(InvalidArgumentError, match="run_once"):
            Relay(engine, [Inbox()]).start()
        with Session(engine) as session, session.begin():
            CircuitBreaker(session, "pricing").disable("off", actor="alice")
        assert Relay(engine, [Inbox()]).run_once() == Pass(sent=1)
        engine.dispose()


@pytest.mark.parametrize("world", SYNC, indirect=True)
def test_what_a_short_script_commits_last_goes_out_at_its_end(world: World, tmp_path: Path) -> None:
    assert host(world, tmp_path, "relay.start()\noff('pricing')\n") == ["firing"]


@pytest.mark.parametrize("world", SYNC, indirect=True)
def test_a_forked_child_has_a_relay_of_its_own_once_it_commits(world: World, tmp_path: Path) -> None:
    program = """
relay.start()
off("parent"); wait(1)
child = os.fork()
if child == 0:
    off("child"); wait(2)
    relay.close()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
off("parent again"); wait(3)
relay.close()
"""
    assert host(world, tmp_path, program) == ["firing"] * 3


@pytest.mark.parametrize("world", SYNC, indirect=True)
def test_a_process_of_its_own_ends_cleanly_on_sigterm_with_a_last_pass(world: World, tmp_path: Path) -> None:
    program = """
import threading

def work():
    time.sleep(0.5)
    off("pricing")
    os.kill(os.getpid(), signal.SIGTERM)

threading.Thread(target=work).start()
relay.run()
wait(1)
"""
    assert host(world, tmp_path, program) == ["firing"]


@pytest.mark.parametrize("world", SYNC, indirect=True)
def test_a_channel_without_async_is_drained_at_the_end_as_well(world: World, tmp_path: Path) -> None:
    """The letterbox is one: at the interpreter's end it is called where threads are no longer to be had."""
    assert host(world, tmp_path, "relay.start()\nfor n in range(3): off(f'b{n}')\n") == ["firing"] * 3


@pytest.mark.parametrize("world", SYNC, indirect=True)
def test_a_script_that_ends_at_once_still_looks_up_names_and_reads_certificates(world: World, tmp_path: Path) -> None:
    """Both are done in threads, of which the interpreter's end has none to give."""
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with Receiver(tls=server) as receiver:
        program = f"""
from driftbreaker import Alertmanager
url = "https://localhost:{receiver.port}"
Relay(engine, [Alertmanager(url, ca_file="{tmp_path / "ca.pem"}")], poll=3600.0).start()
off("pricing")
"""
        host(world, tmp_path, program)
    assert [alert["labels"]["circuit_breaker"] for alert in receiver.alerts] == ["pricing"]


def test_what_is_no_engine_is_refused(world: World) -> None:
    kind = AsyncRelay if world.is_async else Relay
    other = create_engine("sqlite://") if world.is_async else create_async_engine("sqlite+aiosqlite://")
    for engine in (None, "sqlite://", other):
        with pytest.raises(InvalidArgumentError, match="Engine"):
            kind(engine, [])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "options",
    [
        {"resend_interval": 0},
        {"lease": -1},
        {"poll": float("nan")},
        {"retry_base": "1"},
        {"tries": 0},
        {"batch": 1.5},
        {"keep": float("inf")},
        {"tables": "driftbreaker_"},
        {"clock": object()},
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, object]) -> None:
    (name,) = options
    with pytest.raises(InvalidArgumentError, match=name):
        Relay(create_engine("sqlite://"), [], **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("channels", [None, [object()], ["inbox"], [Inbox(""), Inbox("x" * 101)], [Inbox(), Inbox()]])
def test_channels_that_cannot_be_are_refused(channels: object) -> None:
    with pytest.raises(InvalidArgumentError, match=r"channel|name"):
        Relay(create_engine("sqlite://"), channels)  # type: ignore[arg-type]
