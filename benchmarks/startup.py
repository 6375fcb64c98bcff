"""What a command takes from nothing to its answer, beside a Python that does nothing and SQLAlchemy alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from .rounds import Contender, Result, race

#: Milliseconds, on a machine that has nothing else to do.
HELP, CHECK = 100, 400
ROUNDS = 15


def commands(sqlite: str, postgres: str, bytecode: Path) -> list[Result]:
    """Start each command as a process of its own, again and again.

    `bytecode` is a folder that keeps what Python compiles, as an installation does.
    """
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(bytecode)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)

    def starting(*arguments: str) -> Contender:
        def run() -> None:
            done = subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, check=False)
            assert done.returncode == 0, done.stderr

        name = " ".join(arguments).replace("-m driftbreaker.cli", "driftbreaker")
        return Contender(name.replace(sqlite, "SQLite").replace(postgres, "PostgreSQL"), run)

    check = ("-m", "driftbreaker.cli", "check", "checked", "--db")
    return race(
        [
            starting("-c", "pass"),
            starting("-c", "import sqlalchemy.orm"),
            starting("-m", "driftbreaker.cli", "--help"),
            starting(*check, sqlite),
            starting(*check, postgres),
        ],
        rounds=ROUNDS,
    )


def promise(name: str) -> int | None:
    """Return how many milliseconds a command may take."""
    if name.endswith("--help"):
        return HELP
    return CHECK if " check " in name else None
