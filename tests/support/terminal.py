"""The command line as people and scripts meet it: in this process for many cases, as a process where that matters."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from click.testing import CliRunner, Result
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from driftbreaker import CircuitBreaker, Pass, Relay
from driftbreaker.cli.app import app

COMMAND = (sys.executable, "-m", "driftbreaker.cli")


def cli(*arguments: str, **environment: str | None) -> Result:
    """Run a command in this process. What it raises that is no exit is raised."""
    done = CliRunner().invoke(app, list(arguments), env=environment, prog_name="driftbreaker")
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def process(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    """Start a command as a process of its own, without a terminal."""
    return subprocess.Popen(
        [*COMMAND, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **environment},
    )


@dataclass
class Place:
    """A database with the tables in place, and breakers in it."""

    url: str
    engine: Engine

    def disable(self, name: str, reason: str = "off", *, scope: str = "") -> None:
        with Session(self.engine) as session, session.begin():
            CircuitBreaker(session, name, scope=scope).disable(reason, actor="alice")

    def enable(self, name: str, *, scope: str = "") -> None:
        with Session(self.engine) as session, session.begin():
            CircuitBreaker(session, name, scope=scope).enable("on", actor="alice")

    def relay(self, *channels: Any, **options: Any) -> Pass:
        return Relay(self.engine, channels, **options).run_once()
