"""Help is quick: it imports no database library, no HTTP client, and no command that was not asked for."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {"sqlalchemy", "genai_prices", "httpx2", "apprise", "asyncio"}


def loaded_by(*arguments: str) -> set[str]:
    program = (
        "import atexit, json, sys\n"
        "atexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=sys.stderr))\n"
        f"sys.argv = ['driftbreaker', *{arguments!r}]\n"
        "from driftbreaker.cli import main\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
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
        ("alerts", "--help"),
        ("alerts", "test", "--help"),
        ("demo", "--help"),
        ("doctor", "--help"),
        ("init", "--help"),
        ("schema", "create", "--help"),
        ("config", "show", "--help"),
    ],
)
def test_help_imports_nothing_heavy(arguments: tuple[str, ...]) -> None:
    assert not loaded_by(*arguments) & HEAVY


def test_help_imports_no_command() -> None:
    loaded = loaded_by("--help")
    assert not [name for name in loaded if name.startswith("driftbreaker.cli.") and name.endswith(".command")]
