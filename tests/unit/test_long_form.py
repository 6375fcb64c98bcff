"""One variable asks for the long form of the tests, in one place, and one command runs every test that has one."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.support.size import VARIABLE, is_long

TESTS = Path(__file__).parents[1]
ASKS = re.compile(r"^from tests\.support\.(size|desk) import [^\n]*\b(LONG|size|at_scale)\b", re.MULTILINE)


@pytest.mark.parametrize(
    ("text", "long"), [(None, False), ("", False), (" ", False), ("0", False), ("1", True), ("yes", True)]
)
def test_nothing_and_0_ask_for_the_short_form(text: str | None, long: bool) -> None:
    assert is_long(text) is long


def test_nobody_else_reads_the_variable() -> None:
    reads = re.compile(rf"environ[^\n]*{VARIABLE}|getenv[^\n]*{VARIABLE}")
    assert [path for path in TESTS.rglob("*.py") if reads.search(path.read_text())] == []


def test_the_long_torture_runs_every_test_that_has_a_long_form() -> None:
    asking = [path for path in TESTS.rglob("test_*.py") if ASKS.search(path.read_text())]
    assert len(asking) > 15
    run = torture("1")
    assert f"{VARIABLE}=1 " in run
    for path in asking:
        places = [path, *path.relative_to(TESTS).parents]
        names = {str((TESTS / place).relative_to(TESTS.parent)) for place in places if place != Path()}
        assert names & set(run.split()), f"`make torture LONG=1` must run {path.relative_to(TESTS.parent)}"


@pytest.mark.parametrize("long", ["", "0"])
def test_the_short_torture_is_the_torture_alone(long: str) -> None:
    run = torture(long)
    assert VARIABLE not in run
    assert run.split()[-1] == "tests/torture"


def torture(long: str) -> str:
    """Return the command that `make torture` runs."""
    made = subprocess.run(
        ["make", "--no-print-directory", "-n", "-o", ".venv/.ready", "torture", f"LONG={long}"],
        cwd=TESTS.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    return made.stdout.strip()
