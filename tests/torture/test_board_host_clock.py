"""A host whose clock is hours wrong, or jumps: what is open ends on time by the database's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from driftbreaker import BreakerSettings, CircuitBreaker
from driftbreaker.testing import PostgresServer
from tests.support.size import LONG
from tests.support.watched import another_process
from tests.torture.test_host_clock import libfaketime

TTL = 4.0  # from the trip on; a process must have come up by then
CLOCKS = [("-26h", "", "listens"), ("+9600h", "", "polls"), ("+0h", "-5h", "listens"), ("+0h", "+5h", "polls")]
if LONG:
    CLOCKS += [(offset, jump, "polls" if way == "listens" else "listens") for offset, jump, way in CLOCKS]
PROGRAM = """
import json, sys, threading, time
from pathlib import Path
from sqlalchemy import create_engine
from driftbreaker import Basis, Switchboard

url, clock, jump, listens = sys.argv[1:]
wrong = time.time()
with Switchboard(create_engine(url), poll=0.25, stale_after=5.0, listen=listens == "listens") as board:
    handle, hour = board["short"], board["long"]
    assert handle.is_open and hour.is_open and handle.basis is Basis.DATABASE
    print("open", flush=True)
    if jump:
        Path(clock).write_text(jump)
    while handle.is_open:
        assert handle.basis is Basis.DATABASE
        threading.Event().wait(0.001)  # the library breaks time.sleep()
    print("closed", flush=True)
    later = time.monotonic() + 0.5
    while time.monotonic() < later:
        assert hour.is_open and not handle.is_open and handle.basis is Basis.DATABASE
        threading.Event().wait(0.001)  # the library breaks time.sleep()
    print(json.dumps(time.time() - wrong), flush=True)
"""


@pytest.mark.parametrize(("offset", "jump", "listens"), CLOCKS)
def test_what_is_open_ends_on_time_whatever_the_hosts_clock_says(
    postgres: PostgresServer, postgres_database: str, tmp_path: Path, offset: str, jump: str, listens: str
) -> None:
    url = postgres.url(postgres_database)
    clock = tmp_path / "clock"
    clock.write_text(offset)
    with another_process(url, "long") as breaker:
        breaker.disable("to see", actor="alice")
    for_a_while(url, TTL)
    opened = time.monotonic()
    run = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", PROGRAM, url, str(clock), jump, listens],
        env={
            **os.environ,
            "LD_PRELOAD": str(libfaketime()),
            "FAKETIME_TIMESTAMP_FILE": str(clock),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert run.stdout is not None
    said = [run.stdout.readline()]
    said.append(run.stdout.readline())
    took = time.monotonic() - opened
    passed, errors = run.communicate(timeout=20)
    assert (said, run.returncode) == (["open\n", "closed\n"], 0), errors
    assert TTL - 0.1 <= took < TTL + 1.0
    if jump:
        assert abs(json.loads(passed)) > timedelta(hours=4).total_seconds(), "its clock has jumped"


def for_a_while(url: str, seconds: float) -> None:
    """Trip a breaker that recovers by itself."""
    engine = create_engine(url)
    with Session(engine) as session:
        breaker = CircuitBreaker(session, "short", settings=BreakerSettings(ttl=timedelta(seconds=seconds)))
        for _ in range(3):
            breaker.report_drift(0.9)
        session.commit()
    engine.dispose()
