"""Commands start quickly: none imports what it does not need."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache

import pytest
from sqlalchemy.engine import make_url
from tests.support.terminal import Place

HEAVY = {"sqlalchemy", "genai_prices", "httpx2", "apprise", "asyncio", "alembic", "fastapi"}
NOT_FOR_CHECK = (HEAVY - {"sqlalchemy"}) | {
    "driftbreaker.aio",
    "driftbreaker.outbox",
    "driftbreaker.refresh",
    "driftbreaker.relay",
    "driftbreaker.reporter",
    "driftbreaker.shadow",
    "driftbreaker.testing",
    "jsonschema",
    "sqlalchemy.orm",
}
_LOADED = "import atexit, json, sys\natexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=sys.stderr))\n"


def loaded_by(*arguments: str, status: int = 0) -> set[str]:
    run = f"sys.argv = ['driftbreaker', *{arguments!r}]\nfrom driftbreaker.cli import main\nmain()"
    return loaded(run, status)


@cache
def loaded(program: str, status: int = 0) -> set[str]:
    done = subprocess.run([sys.executable, "-c", _LOADED + program], capture_output=True, text=True, timeout=60)
    assert done.returncode == status, done.stderr
    return set(json.loads(done.stderr))


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("--version",),
        ("relay", "--help"),
        ("outbox", "--help"),
        ("outbox", "list", "--help"),
        ("outbox", "show", "--help"),
        ("outbox", "retry", "--help"),
        ("audit", "export", "--help"),
        ("check", "--help"),
        ("hold", "--help"),
        ("observe", "--help"),
        ("alerts", "--help"),
        ("alerts", "test", "--help"),
        ("demo", "--help"),
    ],
    ids=" ".join,
)
def test_help_imports_nothing_heavy(arguments: tuple[str, ...]) -> None:
    assert not loaded_by(*arguments) & HEAVY


def test_the_package_runs_as_a_module_too() -> None:
    commands = [[sys.executable, "-m", module, "--help"] for module in ("driftbreaker", "driftbreaker.cli")]
    done = [subprocess.run(each, capture_output=True, text=True, check=True, timeout=60) for each in commands]
    assert done[0].stdout == done[1].stdout
    assert done[0].stdout.startswith("Usage: driftbreaker ")


def test_help_imports_no_command() -> None:
    loaded = loaded_by("--help")
    assert not [name for name in loaded if name.startswith("driftbreaker.cli.") and name.endswith(".command")]


def test_check_imports_what_a_check_needs(place: Place) -> None:
    # What SQLAlchemy brings with a connection is not ours to refuse: it imports asyncio by itself.
    url = make_url(place.url).render_as_string(hide_password=False)
    bare = loaded(f"import sqlalchemy\nsqlalchemy.create_engine({url!r}).connect().close()")
    ours = loaded_by("check", "pricing", "--db", url) - bare
    assert "driftbreaker.cli.breakers.checking" in ours
    assert not ours & NOT_FOR_CHECK
    assert not [name for name in ours if name.startswith("driftbreaker.cli.") and name.endswith(".command")]
