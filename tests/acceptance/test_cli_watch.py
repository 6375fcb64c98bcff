"""Watching: a picture that is kept up to date on a terminal, a line per change elsewhere, and nothing missed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session
from tests.support.alertmanagers import always, eventually
from tests.support.commands import furnish
from tests.support.screen import Screen
from tests.support.terminal import COMMAND, Place, cli, process
from tests.support.tty import Tty

from driftbreaker import BreakerSettings, CircuitBreaker, store
from driftbreaker.cli.watch.looking import Look
from driftbreaker.cli.watch.news import Newsroom
from driftbreaker.cli.width import width
from driftbreaker.tables import default_tables
from driftbreaker.testing import PostgresServer

QUICK = ("--interval", "0.1")
WHO = {"actor": "alice"}


class Watching:
    """A watch without a terminal, whose lines are read as they come."""

    def __init__(self, *arguments: str) -> None:
        self.process = process("watch", *arguments)
        self.out: list[str] = []
        self.err: list[str] = []
        self._threads = [self._reads(self.process.stdout, self.out), self._reads(self.process.stderr, self.err)]

    def until(self, seen: Callable[[], bool]) -> None:
        eventually(seen, f"seen so far: {self.out} {self.err}")

    def begins(self) -> None:
        self.until(lambda: any(line.startswith("Watching") for line in self.err))

    def end(self, number: int = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.ends()

    def ends(self) -> int:
        status = self.process.wait(20)
        for thread in self._threads:
            thread.join(20)
        return status

    def _reads(self, stream: Any, lines: list[str]) -> Thread:
        def read() -> None:
            with stream:
                lines.extend(line.rstrip("\n") for line in stream)

        thread = Thread(target=read, daemon=True)
        thread.start()
        return thread


@contextmanager
def watching(place: Place, *arguments: str) -> Iterator[Watching]:
    watch = Watching(*arguments, "--db", place.url, *QUICK)
    try:
        watch.begins()
        yield watch
    finally:
        with suppress(ProcessLookupError):
            watch.process.kill()
        watch.ends()


# A line per change.


def test_every_change_is_a_line(place: Place) -> None:
    furnish(place)
    with watching(place) as watch:
        watch.until(lambda: len(watch.out) == 1)
        assert watch.out[0].startswith("■ V2 OFF · serving V1  pricing  since ")
        place.enable("pricing")
        place.disable("search", "again")
        watch.until(lambda: len(watch.out) == 3)
        assert watch.end() == 130
    assert watch.out[1].endswith("● V2 ON  pricing  enable by alice: on")
    assert watch.out[2].endswith("■ V2 OFF · serving V1  search  disable by alice: again")
    assert watch.err[-1] == "Interrupted."


CTRL_C_IN_A_FINALISER = """
import os, signal, sys
from driftbreaker.cli.watch.looking import Eyes

class Finalised:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        while True:  # until the signal is there: what its handler raises is dropped here
            pass

looks, see = [], Eyes.look

def look(self):
    looks.append(None)
    if len(looks) == 2:
        Finalised()
    return see(self)

Eyes.look = look
from driftbreaker.cli import main
main()
"""


def test_ctrl_c_is_not_lost_where_python_drops_it(place: Place) -> None:
    furnish(place)
    done = subprocess.run(
        [sys.executable, "-c", CTRL_C_IN_A_FINALISER, "watch", "--db", place.url, *QUICK],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 130
    assert "Exception ignored" in done.stderr, "or nothing was dropped"
    assert done.stderr.endswith("Interrupted.\n")


def test_off_and_on_again_between_two_looks_is_two_lines(place: Place) -> None:
    furnish(place)
    with watching(place, "search", "--json") as watch:
        with Session(place.engine) as session, session.begin():
            breaker = CircuitBreaker(session, "search")
            breaker.disable("a moment", **WHO)
            breaker.enable("and on", **WHO)
        watch.until(lambda: len(watch.out) == 3)
        watch.end()
    seen, off, on = map(json.loads, watch.out)
    assert (seen["event"], seen["breaker"]["serving"]) == ("seen", "candidate")
    assert [(each["event"], each["serving"], each["change"]["change"]) for each in (off, on)] == [
        ("change", "control", "disable"),
        ("change", "candidate", "enable"),
    ]


def test_only_what_is_watched_is_told(place: Place) -> None:
    furnish(place)
    place.disable("pricing", scope="gpt-4")
    place.disable("pricing", scope="gpt-5")
    with watching(place, "pricing", "--scope", "gpt-4", "--json") as watch:
        watch.until(lambda: len(watch.out) == 2)
        assert [json.loads(line)["breaker"]["scope"] for line in watch.out] == ["", "gpt-4"]
        place.disable("search")
        place.enable("pricing", scope="gpt-5")
        place.enable("pricing", scope="gpt-4")
        place.enable("pricing")
        watch.until(lambda: len(watch.out) == 4)
        watch.end()
    assert [json.loads(line)["scope"] for line in watch.out[2:]] == ["gpt-4", ""]


def test_sigterm_ends_it_as_it_ends_others(place: Place) -> None:
    furnish(place)
    with watching(place) as watch:
        assert watch.end(signal.SIGTERM) == -signal.SIGTERM


# Until.


def test_until_it_is_so(place: Place) -> None:
    furnish(place)
    with watching(place, "pricing", "--until", "on") as watch:
        place.enable("pricing")
        assert watch.ends() == 0
    assert watch.err[-1] == "V2 is on: pricing."
    done = cli("watch", "search", "--until", "on", "--db", place.url)
    assert (done.exit_code, "V2 is on: search." in done.stderr) == (0, True), "so already"


def test_a_moment_of_off_is_enough(place: Place) -> None:
    furnish(place)
    with watching(place, "search", "--until", "off") as watch:
        with Session(place.engine) as session, session.begin():
            breaker = CircuitBreaker(session, "search")
            breaker.disable("a moment", **WHO)
            breaker.enable("and on", **WHO)
        assert watch.ends() == 0


def test_a_scope_is_off_with_its_whole(place: Place) -> None:
    furnish(place)
    assert cli("watch", "pricing", "--scope", "gpt-4", "--until", "off", "--db", place.url).exit_code == 0


def test_too_late_is_124(place: Place) -> None:
    furnish(place)
    done = cli("watch", "pricing", "--until", "on", "--timeout", "0.2", *QUICK, "--db", place.url)
    assert done.exit_code == 124
    assert done.stderr.endswith("Error: pricing was not on within 0.2 s\n")
    assert cli("watch", "--timeout", "0", "--db", place.url).exit_code == 124


def test_what_it_cannot_do_is_said(place: Place) -> None:
    furnish(place)
    done = cli("watch", "--until", "on", "--db", place.url)
    assert (done.exit_code, "Give its NAME" in done.stderr) == (2, True)
    assert cli("watch", "pricng", "--db", place.url).exit_code == 3
    done = cli("watch", "pricng", "--new", "--timeout", "0", "--db", place.url)
    assert done.exit_code == 124


# On a terminal.


def test_the_picture_is_drawn_again_in_place(place: Place) -> None:
    furnish(place)
    with Tty("watch", "--db", place.url, *QUICK) as tty:
        tty.until(lambda: "serving V1" in tty.said)
        place.enable("pricing")
        tty.until(lambda: "enable by alice" in tty.said)
        before = tty.said.count("\x1b[?2026l")
        # Between two pictures: in the midst of one, the terminal would show its ^C there.
        tty.until(lambda: tty.said.count("\x1b[?2026l") > before + 2 and tty.said.endswith("\x1b[?2026l"))
        tty.press("\x03")
        assert tty.wait() == 130
        shown = tty.screen
    assert [line for line in shown.text if line][1:] == [
        "● V2 ON  pricing",
        "● V2 ON  search",
        "   1 of 3 bad scores in a row",
        next(line for line in shown.text if "enable by alice: on" in line),
        "^CInterrupted.",
    ], "one picture, whatever was drawn before"
    assert " ● V2 ON  pricing  enable by alice: on" in "\n".join(shown.text), "a word beside the shape and the colour"
    assert not shown.modes
    assert "\x1b[?25l" not in tty.said, "no cursor is hidden: none must be brought back"
    assert "\x1b[?1049h" not in tty.said


def test_a_terminal_that_gets_narrow_gets_lines_that_fit(place: Place) -> None:
    furnish(place, reason="wrong on discounts of more than 20 % in one of the shops")
    with Tty("watch", "pricing", "--db", place.url, *QUICK, columns=100) as tty:
        tty.until(lambda: tty.said.count("\x1b[?2026l") > 2)
        tty.resize(40, 10)
        before = len(tty.said)
        tty.until(lambda: tty.said[before:].count("\x1b[?2026l") > 3)
        tty.press("\x03")
        assert tty.wait() == 130
    frame = tty.said.split("\x1b[?2026h")[-1].split("\x1b[?2026l")[0]
    lines = Screen(40).feed(frame).text
    assert len(lines) <= 10
    assert "lines more" in lines[-2]
    assert max(map(width, lines)) <= 40


def test_no_colour_where_none_is_wanted_and_no_picture_on_a_dumb_terminal(place: Place) -> None:
    furnish(place)
    options = ("watch", "--db", place.url, "--timeout", "0.2", *QUICK)
    with Tty(*options, NO_COLOR="1") as tty:
        assert tty.wait() == 124
        assert "\x1b[1m" not in tty.said
    with Tty(*options, TERM="dumb") as tty:
        assert tty.wait() == 124
        assert "\x1b[?2026" not in tty.said


# A database that goes away.


def test_it_waits_for_a_database_that_goes_away(postgres: PostgresServer, postgres_url: str) -> None:
    place = Place(postgres_url, create_engine(postgres_url))
    furnish(place)
    name = make_url(postgres_url).database
    admin = create_engine(postgres.url("postgres"), isolation_level="AUTOCOMMIT")
    with watching(place, "pricing") as watch, admin.connect() as boss:
        boss.execute(text(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false'))
        boss.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"), {"name": name}
        )
        watch.until(lambda: any("trying on" in line for line in watch.err))
        always(lambda: len(watch.err) == 2, "it is said once, however often it tries", seconds=1)
        boss.execute(text(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true'))
        watch.until(lambda: any("is back" in line for line in watch.err))
        place.engine.dispose()
        place.enable("pricing")
        watch.until(lambda: len(watch.out) == 2)
        watch.end()
    admin.dispose()
    place.engine.dispose()


def test_a_file_that_is_gone_is_waited_for_and_not_made_anew(sqlite_url: str, tmp_path: Path) -> None:
    place = Place(sqlite_url, create_engine(sqlite_url))
    furnish(place)
    place.engine.dispose()
    file = Path(str(make_url(sqlite_url).database))
    with watching(place, "pricing") as watch:
        file.rename(tmp_path / "elsewhere.db")
        watch.until(lambda: any("there is no file" in line for line in watch.err))
        assert not file.exists()
        (tmp_path / "elsewhere.db").rename(file)
        watch.until(lambda: any("is back" in line for line in watch.err))
        place.enable("pricing")
        watch.until(lambda: len(watch.out) == 2)
        watch.end()
    place.engine.dispose()


# What is new, and what was told already.


def look(place: Place, trail: store.Trail) -> Look:
    with Session(place.engine) as session:
        changes = trail.read(session)
        off, on = store.breakers(session, default_tables(), limit=10)
        now = store.database_now(session, default_tables())
    trail.keep()
    return Look(rows=off + on, is_off=False, was_off=False, changes=changes, now=now)


def test_an_end_that_passes_is_told_once(place: Place) -> None:
    with Session(place.engine) as session, session.begin():
        soon = store.database_now(session, default_tables()) + timedelta(seconds=0.5)
        CircuitBreaker(session, "pricing").disable("for a while", until=soon, **WHO)
    trail = store.Trail(default_tables())
    seen = look(place, trail)
    assert seen.rows[0].state.is_open
    eventually(lambda: not look(place, trail).rows[0].state.is_open, "its end has passed")
    first = look(place, trail)
    newsroom = Newsroom(seen)
    (expired,) = newsroom.news(first)
    assert (expired.document()["event"], expired.serving) == ("expired", "candidate")
    assert expired.line().endswith("● V2 ON\x1b[0m  \x1b[1mpricing\x1b[0m  its time is over")
    with Session(place.engine) as session, session.begin():
        CircuitBreaker(session, "pricing", settings=BreakerSettings()).report_drift(0.0)
    later = look(place, trail)
    assert [entry.change for entry in later.changes] == ["recover"]
    assert list(newsroom.news(later)) == []


def test_who_commits_late_is_seen_all_the_same(postgres_url: str) -> None:
    engine = create_engine(postgres_url)
    trail = store.Trail(default_tables())
    with Session(engine) as early, Session(engine) as late:
        CircuitBreaker(late, "a").disable("first", **WHO)
        CircuitBreaker(early, "b").disable("second", **WHO)
        place = Place(postgres_url, engine)
        assert look(place, trail).changes == []
        early.commit()
        assert [entry.name for entry in look(place, trail).changes] == ["b"]
        late.commit()
        assert [entry.name for entry in look(place, trail).changes] == ["a"]
        assert look(place, trail).changes == []
    engine.dispose()


def test_a_look_that_failed_is_made_again(place: Place) -> None:
    trail = store.Trail(default_tables())
    look(place, trail)
    place.disable("pricing")
    with Session(place.engine) as session:
        assert len(trail.read(session)) == 1
    assert len(look(place, trail).changes) == 1, "nothing was kept of it"


def test_more_than_a_page_at_once(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("driftbreaker.store.trail.PAGE", 3)
    trail = store.Trail(default_tables())
    look(place, trail)
    for number in range(7):
        place.disable(f"b{number}")
    assert [entry.name for entry in look(place, trail).changes] == [f"b{number}" for number in range(7)]


def test_a_closed_pipe_ends_it(place: Place) -> None:
    furnish(place)
    shell = f'"$@" watch --db "{place.url}" --interval 0.1 | head -1'
    running = subprocess.Popen(
        ["bash", "-c", shell, "bash", *COMMAND],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )
    assert running.stdout is not None
    assert "pricing" in running.stdout.readline()
    for _ in range(3):
        place.enable("pricing")
        place.disable("pricing")
    _, complaint = running.communicate(timeout=20)
    assert "Traceback" not in complaint
    assert "Exception ignored" not in complaint
