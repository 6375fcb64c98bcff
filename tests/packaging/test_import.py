"""Importing the package is cheap and pulls in nothing that was not asked for."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

import driftbreaker

HEAVY = (
    "sqlalchemy",
    "pydantic",
    "greenlet",
    "httpx2",
    "apprise",
    "click",
    "genai_prices",
    "asyncio",
    "sqlmodel",
    "fastapi",
    "starlette",
)


def loaded_after(program: str) -> set[str]:
    code = f"{program}\nimport sys, json; print(json.dumps(sorted(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in json.loads(run.stdout)}


def test_import_pulls_in_no_library() -> None:
    assert not loaded_after("import driftbreaker") & set(HEAVY)


def test_pure_names_need_no_database_library() -> None:
    assert "sqlalchemy" not in loaded_after("from driftbreaker import BreakerSettings, Incident, listen")


def test_channels_need_no_database_library() -> None:
    assert "sqlalchemy" not in loaded_after("from driftbreaker import Alertmanager, IncidentFiles, Webhook")
    assert not loaded_after("from driftbreaker import IncidentFiles") & {"sqlalchemy", "httpx2"}


def test_comparing_functions_needs_no_database_library_and_no_event_loop() -> None:
    program = (
        "from driftbreaker import Shadow\n"
        "class Board:\n"
        "    is_open, generation = False, 0\n"
        "    def handle(self, name, scope=''): return self\n"
        "    def report(self, *args, **keywords): pass\n"
        "    report_schema_error = use = report\n"
        "with Shadow(Board(), Board(), 'pricing') as shadow: shadow(int, int)"
    )
    assert not loaded_after(program) & {"sqlalchemy", "asyncio", "greenlet", "httpx2"}
    assert "sqlalchemy" not in loaded_after("from driftbreaker.testing import MemoryReporter")


@pytest.mark.parametrize("program", ["from driftbreaker import CircuitBreaker", "import driftbreaker.costsim"])
def test_the_sync_door_reaches_neither_the_async_one_nor_greenlet(program: str) -> None:
    loaded = loaded_after(f"{program}\nimport sys; assert 'driftbreaker.aio' not in sys.modules")
    assert not loaded & {"greenlet", "click", "httpx2", "apprise"}


def test_import_costs_under_fifty_milliseconds_beyond_the_interpreter() -> None:
    """A budget ten times above what it takes, of the processor's time: others on the machine cannot break it."""
    timer = "import time; start = time.process_time(); import driftbreaker; print(time.process_time() - start)"
    runs = [subprocess.run([sys.executable, "-c", timer], capture_output=True, text=True, check=True) for _ in range(5)]
    assert statistics.median(float(run.stdout) for run in runs) < 0.050


def test_every_public_name_loads_and_is_listed() -> None:
    for name in driftbreaker.__all__:
        assert getattr(driftbreaker, name) is not None
    assert set(driftbreaker.__all__) == set(dir(driftbreaker))


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="no attribute 'CircuitBraker'"):
        driftbreaker.CircuitBraker  # noqa: B018  reading it is the point


def test_no_public_name_is_a_submodule() -> None:
    package = Path(driftbreaker.__file__).parent
    submodules = {path.stem for path in package.iterdir()}
    assert "breaker" in submodules
    assert not submodules & set(driftbreaker.__all__)


def test_without_greenlet_the_async_door_says_what_to_install() -> None:
    """SQLAlchemy 2.1 no longer brings greenlet along."""
    program = (
        "import sys; sys.modules['greenlet'] = None\n"
        "from driftbreaker import AsyncCircuitBreaker\n"
        "try:\n"
        "    import asyncio\n"
        "    from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine\n"
        "    session = AsyncSession(create_async_engine('sqlite+aiosqlite://'))\n"
        "    asyncio.run(AsyncCircuitBreaker(session, 'x').is_disabled())\n"
        "except Exception as error:\n"
        "    print(type(error).__name__, error, getattr(error, '__notes__', ''))\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "greenlet" in run.stdout
    assert "pip install sqlalchemy[asyncio]" in run.stdout, "SQLAlchemy says it before we could"
