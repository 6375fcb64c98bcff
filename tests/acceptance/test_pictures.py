"""The pictures in the docs are what the commands show: real runs on a clock that stands still."""

from __future__ import annotations

import io
import os
import re
import sqlite3
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import click
import pytest
from sqlalchemy import Engine, event
from sqlalchemy.orm import Session
from tests.support.screen import Screen
from tests.support.screenshots import picture

from driftbreaker import BreakerSettings, CircuitBreaker
from driftbreaker.cli import engine as cli_engine
from driftbreaker.cli.app import app
from driftbreaker.cli.watch import canvas

IMAGES = Path(__file__).parents[2] / "docs" / "images"
REWRITE = "DRIFTBREAKER_WRITE_DOCS=1 .venv/bin/pytest tests/acceptance/test_pictures.py"
NIGHT = datetime(2026, 11, 24, 3, 7, 12, tzinfo=UTC)


class Terminal(io.TextIOWrapper):
    """A terminal of which everything that was written is kept."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", write_through=True)

    def isatty(self) -> bool:
        return True

    @property
    def said(self) -> str:
        assert isinstance(self.buffer, io.BytesIO)
        return self.buffer.getvalue().decode()


class Night:
    """A database and a terminal, on a clock that moves when it is told to."""

    def __init__(self, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = NIGHT
        self.terminal = Terminal()
        self._plain = sqlite3.connect(":memory:")
        self._make: Callable[..., Engine] = cli_engine.engine_of
        self.url = url
        random = Random(7)
        for module in ("reporting", "switching"):
            monkeypatch.setattr(
                f"driftbreaker.store.{module}.uuid4", lambda: UUID(int=random.getrandbits(128), version=4)
            )
        monkeypatch.setattr(cli_engine, "engine_of", self.engine)
        self._patch = monkeypatch

    def engine(self, *arguments: Any) -> Engine:
        engine = self._make(*arguments)
        event.listen(engine, "connect", lambda driver, _: driver.create_function("strftime", -1, self._strftime))
        return engine

    def act(self, name: str, do: Callable[[CircuitBreaker], object], **settings: Any) -> None:
        engine = cli_engine.engine_of(cli_engine.make_url(self.url))
        with Session(engine) as session, session.begin():
            do(CircuitBreaker(session, name, settings=BreakerSettings(**settings)))
        engine.dispose()

    def run(self, *arguments: str, columns: int = 80) -> Screen:
        """Run a command on the terminal, and return its screen."""
        self._patch.setattr("driftbreaker.cli.width.size_of", lambda _: (columns, 40))
        self._patch.setattr(canvas, "size_of", lambda _: (columns + 1, 40))
        self._patch.setattr(sys, "stdout", self.terminal)
        self._patch.setattr(sys, "stderr", self.terminal if "demo" not in arguments else io.StringIO())
        self._patch.setenv("DRIFTBREAKER_DATABASE_URL", self.url)
        if "demo" in arguments:
            # It waits for a recovery, on a database of its own whose clock goes on.
            self._patch.setattr(cli_engine, "engine_of", self._make)
        try:
            app(list(arguments), prog_name="driftbreaker", standalone_mode=False)
        except (click.exceptions.Exit, _SeenEnoughError):
            pass
        finally:
            self._patch.undo()
            self._plain.close()
        return Screen(columns).feed(re.sub(r"driftbreaker-demo-\w+", "driftbreaker-demo", self.terminal.said))

    def sleeping(self, *acts: Callable[[], object]) -> None:
        """Let time pass where the watch sleeps, do one thing after another meanwhile, and end there."""
        left = list(acts)

        def sleep(seconds: float) -> None:
            self.now += timedelta(seconds=seconds)
            if self.now.second % 2:
                return
            if not left:
                raise _SeenEnoughError
            left.pop(0)()

        clock = SimpleNamespace(monotonic=lambda: (self.now - NIGHT).total_seconds(), sleep=sleep)
        self._patch.setattr("driftbreaker.cli.watch.command.time", clock)

    def _strftime(self, *arguments: Any) -> Any:
        now = f"{self.now:%Y-%m-%d %H:%M:%S.%f}"[:-3]
        given = [now if part == "now" else part for part in arguments]
        return self._plain.execute(f"SELECT strftime({', '.join('?' * len(given))})", given).fetchone()[0]


class _SeenEnoughError(Exception):
    """The picture is complete."""


@pytest.fixture
def night(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Night:
    """A night with one trip that nobody has seen yet."""
    night = Night(sqlite_url, monkeypatch)
    night.now = NIGHT - timedelta(hours=11)
    night.act("tokenizer", lambda it: it.disable("counts emoji twice, fix is in review", actor="alice"))
    night.now = NIGHT - timedelta(minutes=42)
    night.act("ranking", lambda it: it.force_on("load test", actor="carol", until=NIGHT + timedelta(hours=3)))
    night.act("search", lambda it: it.report_drift(0.31))
    night.now = NIGHT - timedelta(minutes=4, seconds=9)
    details = {"model": "gpt-4", "v1_usd": 0.019, "v2_usd": 0.031}
    for score in (0.63, 0.58, 0.63):
        night.act("pricing", lambda it, score=score: it.report_drift(score, details=details))
    night.now = NIGHT
    return night


def compare(name: str, drawn: str) -> None:
    file = IMAGES / f"{name}.svg"
    if os.environ.get("DRIFTBREAKER_WRITE_DOCS"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(drawn)
    else:
        assert file.read_text() == drawn, f"the picture is old, this draws it anew: {REWRITE}"


def test_the_picture_of_the_list(night: Night) -> None:
    compare("list", picture(night.run("list"), "driftbreaker list"))


def test_the_picture_of_one_breaker(night: Night) -> None:
    night.act("pricing", lambda it: it.add_note("is it the price table of 1 November?", actor="bob"))
    compare("show", picture(night.run("show", "pricing"), "driftbreaker show pricing"))


def test_the_picture_of_watching(night: Night) -> None:
    night.sleeping(
        lambda: night.act("pricing", lambda it: it.acknowledge("On it", actor="bob")),
        lambda: night.act("search", lambda it: [it.report_drift(score) for score in (0.44, 0.52)]),
        lambda: night.act(
            "pricing",
            lambda it: it.hold("wait for finance", actor="bob", until=NIGHT.replace(hour=9, minute=0, second=0)),
        ),
        lambda: None,
    )
    compare("watch", picture(night.run("watch"), "driftbreaker watch"))


def test_the_picture_of_an_incident(night: Night) -> None:
    night.act("pricing", lambda it: it.acknowledge("On it", actor="bob"))
    night.now += timedelta(minutes=11)
    night.act("pricing", lambda it: it.add_note("is it the price table of 1 November?", actor="bob"))
    drawn = picture(night.run("incident", "show", "pricing"), "driftbreaker incident show pricing")
    compare("incident", drawn)


def test_the_picture_of_the_demo(night: Night) -> None:
    screen = night.run("demo", columns=100)
    for line in screen.lines:
        # How long the recovery took is the one thing that a machine under load decides.
        text = "".join(character for character, _ in line)
        found = re.search(r"\d\.\d(?= s later)", text)
        if found is not None:
            line[found.start() : found.end()] = [(character, line[found.start()][1]) for character in "1.0"]
    compare("demo", picture(screen, "driftbreaker demo"))
