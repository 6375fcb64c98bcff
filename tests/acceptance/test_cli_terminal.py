"""A terminal obeys what it is sent: nothing typed, and nothing that others wrote, reaches it as it was."""

from __future__ import annotations

import os
import pty
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from tests.support.commands import OFF, ON, SAMPLES, furnish
from tests.support.terminal import COMMAND, Place, cli
from tests.support.tty import Tty

from driftbreaker.cli.width import width

EVIL = "\x1b[31mX\x1b[0m\u202e"
SHOWN = "\\x1b[31mX\\x1b[0m\\u202e"
FOR = ("--for", "1h")
NO_DATABASE = tuple(command for command, sample in SAMPLES.items() if not sample.database and command != "config show")


@pytest.fixture
def url(sqlite_url: str) -> str:
    engine = create_engine(sqlite_url)
    furnish(Place(sqlite_url, engine), reason="wrong on discounts of more than 20 % in the north")
    furnish(Place(sqlite_url, engine), off=f"off {EVIL}", on=f"on {EVIL}")
    engine.dispose()
    return sqlite_url


# No colour where none is wanted.


@pytest.mark.parametrize(
    "environment", [{"TERM": "dumb"}, {"NO_COLOR": "1"}, {"TERM": "dumb", "NO_COLOR": "1"}], ids=" ".join
)
@pytest.mark.parametrize("arguments", [("list",), ("show", OFF), ("watch", OFF, "--until", "off"), ("show", "nope")])
def test_no_colour_where_none_is_wanted(arguments: tuple[str, ...], environment: dict[str, str], url: str) -> None:
    with Tty(*arguments, "--db", url, **environment) as tty:
        tty.wait()
    # A picture is drawn in place by moving the cursor, but for a terminal that cannot.
    sent = tty.said if "TERM" in environment else tty.said.replace("\x1b[?2026", "").replace("\x1b[K", "")
    assert "\x1b[3" not in tty.said
    assert "\x1b[1m" not in tty.said
    assert "\x1b" not in sent or "TERM" not in environment


def test_a_dumb_terminal_is_shown_no_bar(url: str, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    with (tmp_path / "rows").open("wb") as file:
        done = subprocess.run(
            [*COMMAND, "audit", "export", "--db", url],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=theirs,
            env={**os.environ, "TERM": "dumb"},
            timeout=60,
            check=False,
        )
    os.close(theirs)
    said = os.read(ours, 65_536)
    os.close(ours)
    assert (done.returncode, said) == (0, b"2 changes written.\r\n")


# What is asked, and what is complained of.


@pytest.mark.parametrize(
    "arguments",
    [
        ("disable", f"on {EVIL}"),
        ("hold", f"off {EVIL}", *FOR),
        ("enable", f"off {EVIL}"),
        ("reset", f"off {EVIL}"),
        ("force-on", f"on {EVIL}", *FOR, "--confirm", f"on {EVIL}"),
        ("incident", "assign", OFF, EVIL),
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_question_moves_no_cursor(arguments: tuple[str, ...], url: str) -> None:
    with Tty(*arguments, "--db", url, columns=120) as tty:
        tty.until(lambda: "Why" in tty.said and ": " in tty.said)
        assert SHOWN in tty.said
        assert "\x1b" not in tty.said


@pytest.mark.parametrize("command", ["disable", "hold", "enable", "reset", "force-on", "incident assign"])
def test_a_name_is_looked_up_before_anything_is_asked(command: str, url: str) -> None:
    given = " ".join(SAMPLES[command].named("pricng") or ()).replace("--reason because", "").split()
    with Tty(*command.split(), *given, "--db", url, columns=120) as tty:
        assert tty.wait() == 3
    assert "did you mean 'pricing'?" in tty.said
    assert "Why" not in tty.said


def test_a_name_that_is_meant_to_be_new_is_not_looked_up(url: str) -> None:
    with Tty("disable", "another", "--new", "--db", url, columns=120) as tty:
        tty.until(lambda: "Why is another turned off: " in tty.said)
        tty.press("maintenance\n")
        assert tty.wait() == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("list", EVIL),
        (EVIL,),
        (f"--{EVIL}",),
        ("list", f"--{EVIL}"),
        ("list", "--limit", EVIL),
        ("list", "-o", EVIL),
        ("incident", EVIL),
        ("incident", "list", OFF, EVIL),
        ("check", OFF, EVIL, "--nagios"),
        ("config", "show", EVIL),
        ("show", ON, "--scope", EVIL),
    ],
)
def test_a_complaint_about_what_was_typed_moves_no_cursor(arguments: tuple[str, ...], url: str) -> None:
    done = cli(*arguments, DRIFTBREAKER_DATABASE_URL=url)
    assert done.exit_code in (2, 3)
    for line in done.output.splitlines():
        assert line.isprintable(), repr(line)
    assert "X" in done.output
    assert "\\u202e" in done.output


def test_the_help_of_a_group_keeps_its_lines() -> None:
    for group in ("", "incident", "config", "schema"):
        done = cli(*group.split())
        assert done.exit_code == 2
        assert len(done.output.splitlines()) > 5


@pytest.mark.parametrize("option", ["--table-prefix", "--schema"])
def test_tables_are_not_called_by_what_moves_a_cursor(option: str, url: str) -> None:
    done = cli("schema", "create", "-n", option, EVIL, "--db", url)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "x1b[31m" in done.stderr
    assert "\x1b" not in done.stderr


@pytest.mark.parametrize("command", ["enable", "reset"])
@pytest.mark.parametrize(
    ("keys", "status", "said"),
    [("n\n", 1, "Nothing was changed."), ("\n", 1, "Nothing was changed."), ("\x04", 130, "Interrupted.")],
)
def test_no_is_an_answer_and_no_interruption(command: str, keys: str, status: int, said: str, url: str) -> None:
    with Tty(command, OFF, "-r", "because", "--db", url) as tty:
        tty.until(lambda: "[y/N]: " in tty.said)
        tty.press(keys)
        assert tty.wait() == status
    assert said in tty.said
    assert ("Interrupted" in tty.said) is (status == 130)
    assert cli("check", OFF, "--db", url).exit_code == 1


# What is wider than the terminal.

CODE = ("init", "schema create", "audit export")  # what is printed is for machines


@pytest.mark.parametrize("command", [each for each, sample in SAMPLES.items() if each not in CODE + NO_DATABASE])
def test_a_narrow_terminal_gets_lines_between_words(command: str, url: str, tmp_path: Path) -> None:
    if command == "config show":
        url = "sqlite:///app.db"
    expect_folded([*command.split(), *SAMPLES[command].given(tmp_path)], url)


@pytest.mark.parametrize("arguments", [("observe", OFF, "0.9"), ("incident", "note", OFF, "a word and another " * 5)])
def test_what_others_wrote_at_length_is_folded(arguments: tuple[str, ...], url: str) -> None:
    expect_folded(arguments, url)


def expect_folded(arguments: Sequence[str], url: str) -> None:
    with Tty(*arguments, columns=40, DRIFTBREAKER_DATABASE_URL=url, ALERTMANAGER_URL="http://127.0.0.1:1/a") as tty:
        tty.wait()
    said = tty.said.replace("\x1b[?2026h", "").replace("\x1b[?2026l", "").replace("\x1b[K", "")
    assert said
    # Only a word that no line holds, as a path may be, is cut.
    assert max(map(width, said.splitlines())) <= 40, said


def test_a_question_and_what_it_is_about_are_folded(url: str) -> None:
    with Tty("enable", OFF, "-r", "checked on ten thousand requests", "--db", url, columns=40) as tty:
        tty.until(lambda: "[y/N]" in tty.said)
    assert max(map(width, tty.said.splitlines())) <= 40, tty.said
    assert "   why     wrong on discounts" in tty.said


def test_what_the_doctor_says_hangs_below_itself(url: str) -> None:
    with Tty("doctor", "--db", url, "--alertmanager", "http://127.0.0.1:1", columns=60) as tty:
        assert tty.wait() == 1
    lines = tty.screen.text
    (begin,) = [place for place, line in enumerate(lines) if line.startswith("■ failed   alertmanager")]
    (do,) = [place for place, line in enumerate(lines) if line.startswith(" " * 28 + "do: ")]
    assert do > begin + 1
    assert all(line.startswith(" " * 28 + line.lstrip()[:1]) for line in lines[begin + 1 : do + 2])


def test_a_pipe_gets_what_the_doctor_says_on_one_line(url: str) -> None:
    said = cli("doctor", "--db", url, "--alertmanager", "http://127.0.0.1:1", "--timeout", "1").stdout
    assert all(line[:1] in "●▲■◌" or line.startswith(" " * 28 + "do: ") for line in said.splitlines())
