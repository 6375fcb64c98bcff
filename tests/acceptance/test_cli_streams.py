"""Where the output goes that nobody can write: one sentence and a status that is true, never a traceback."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import Session
from tests.support.commands import OFF, ON, SAMPLES, WHY, Sample, furnish
from tests.support.terminal import COMMAND, Place

from driftbreaker import CircuitBreaker

every_one = pytest.mark.parametrize(("command", "sample"), SAMPLES.items(), ids=SAMPLES)
CANNOT_TELL = 2
#: The status is the whole answer, or there is nothing to be said on stdout.
ANSWERED = ("check", "outbox retry", "schema create", "schema verify")
#: What nobody can write to, as a shell says it.
FULL, UNREAD, CLOSED = ">/dev/full", "| :", ">&-"


@pytest.fixture
def url(sqlite_url: str) -> str:
    """The URL of a database with a breaker that is off and one that is on."""
    engine = create_engine(sqlite_url)
    furnish(Place(sqlite_url, engine))
    engine.dispose()
    return sqlite_url


def run(where: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command with a redirection of a shell's. `| :` is a pipe whose reader has gone before it begins."""
    given: dict[str, Any] = {"stdin": subprocess.DEVNULL, "text": True, "encoding": "utf-8", "timeout": 60}
    if where != UNREAD:
        shell = ["bash", "-c", f'"$@" {where}', "bash", *COMMAND, *arguments]
        return subprocess.run(shell, capture_output=True, check=False, **given)
    reads, writes = os.pipe()
    os.close(reads)
    try:
        return subprocess.run([*COMMAND, *arguments], stdout=writes, stderr=subprocess.PIPE, check=False, **given)
    finally:
        os.close(writes)


def arguments_of(command: str, sample: Sample, url: str, folder: Path) -> list[str]:
    return [*command.split(), *sample.given(folder), *(("--db", url) if sample.database else ())]


@every_one
@pytest.mark.parametrize("where", [FULL, UNREAD])
def test_what_cannot_be_written_is_no_traceback_and_no_answer(
    command: str, sample: Sample, where: str, url: str, tmp_path: Path
) -> None:
    done = run(where, *arguments_of(command, sample, url, tmp_path))
    assert done.returncode == (sample.exits if command in ANSWERED else CANNOT_TELL), done.stderr
    for noise in ("Traceback", "Exception ignored", "Broken pipe"):
        assert noise not in done.stderr
    assert ("No space left on device" in done.stderr) is (where == FULL and command not in ANSWERED)


@every_one
def test_a_stream_that_is_closed_is_one_that_nobody_wants(
    command: str, sample: Sample, url: str, tmp_path: Path
) -> None:
    done = run(f"<&- {CLOSED}", *arguments_of(command, sample, url, tmp_path))
    assert done.returncode == sample.exits, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("where", [FULL, UNREAD, CLOSED])
@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ((ON,), 0),
        ((OFF,), 1),
        ((ON, "--json"), 0),
        ((ON, "--nagios"), 0),
        ((OFF, "--nagios"), 2),
        (("", "--nagios"), 3),
    ],
)
def test_the_answer_of_check_is_its_status_whoever_reads(
    arguments: tuple[str, ...], status: int, where: str, url: str
) -> None:
    done = run(where, "check", *arguments, "--db", url)
    assert (done.returncode, "Traceback" in done.stderr) == (status, False), done.stderr


def test_what_was_changed_is_said_to_stay_so(url: str) -> None:
    done = run(FULL, "disable", ON, *WHY, "--db", url)
    assert done.returncode == CANNOT_TELL
    assert done.stderr == (
        "Error: stdout cannot be written: No space left on device. What the command was to change is changed.\n"
    )
    engine = create_engine(url)
    with Session(engine) as session:
        assert CircuitBreaker(session, ON).is_disabled()
    engine.dispose()


@pytest.mark.parametrize("where", ["2>/dev/full", "2>&-", "<&- >&- 2>&-", ">/dev/full 2>/dev/full"])
@pytest.mark.parametrize(
    ("arguments", "status"),
    [(("show", "nope"), 3), (("show",), 2), (("hold", ON, *WHY, "--for", "1h"), 1), (("audit", "export"), 0)],
)
def test_prose_that_cannot_be_written_changes_no_status(
    arguments: tuple[str, ...], status: int, where: str, url: str
) -> None:
    done = run(where, *arguments, "--db", url)
    full = arguments[0] == "audit" and ">/dev/full 2" in where
    assert done.returncode == (CANNOT_TELL if full else status), done.stderr


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("check", "--help"), ("incident", "--help")])
@pytest.mark.parametrize("where", [FULL, UNREAD])
def test_help_that_cannot_be_written(arguments: tuple[str, ...], where: str) -> None:
    done = run(where, *arguments)
    assert done.returncode == CANNOT_TELL
    assert done.stderr == ("" if where == UNREAD else "Error: cannot go on: No space left on device.\n")
