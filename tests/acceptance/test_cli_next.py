"""Every answer says what to type next; what it says can be typed."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest
from sqlalchemy.orm import Session
from tests.support.commands import furnish
from tests.support.terminal import Place, cli

from driftbreaker import BreakerSettings, CircuitBreaker

WHY = ("--reason", "because", "--by", "alice")
ENABLE, HISTORY = "driftbreaker enable pricing", "driftbreaker history pricing"
# What a suggestion leaves to whoever types it.
MORE = {"enable": ("-y", *WHY), "disable": WHY, "reset": ("-y", *WHY), "hold": WHY, "incident": ()}


def run(place: Place, *arguments: str, exits: int = 0) -> Any:
    done = cli(*arguments, "--db", place.url)
    assert done.exit_code == exits, done.output
    return done


def suggested(said: str) -> list[list[str]]:
    return [shlex.split(found) for found in re.findall(r": driftbreaker (.+)", said)]


@pytest.mark.parametrize(
    ("command", "commands"),
    [
        (("disable", "search", *WHY), ["driftbreaker incident ack search", "driftbreaker enable search"]),
        (("hold", "pricing", *WHY, "--until", "enabled"), ["driftbreaker incident ack pricing", ENABLE]),
        (("enable", "pricing", *WHY, "-y"), [HISTORY, "driftbreaker disable pricing"]),
        (("reset", "pricing", *WHY, "-y"), [HISTORY, "driftbreaker disable pricing"]),
        (("force-on", "pricing", *WHY, "--for", "1h", "--confirm", "pricing"), ["driftbreaker reset pricing"]),
        (("incident", "ack", "pricing", "--by", "alice"), [ENABLE]),
        (("incident", "assign", "pricing", "bob", *WHY), ["driftbreaker incident ack pricing", ENABLE]),
        (("incident", "note", "pricing", "the cache?", "--by", "bob"), ["driftbreaker incident ack pricing", ENABLE]),
        (("observe", "search", "0.9"), ["driftbreaker history search"]),
        (("show", "pricing"), ["driftbreaker incident ack pricing", ENABLE]),
        (("show", "search"), ["driftbreaker history search", "driftbreaker disable search"]),
        (("list",), ["driftbreaker show NAME"]),
        (("doctor",), ["driftbreaker alerts test"]),
    ],
    ids=lambda value: "-".join(value[:2]) if isinstance(value, tuple) else "",
)
def test_what_to_type_next_follows_the_answer(place: Place, command: tuple[str, ...], commands: list[str]) -> None:
    furnish(place)
    done = run(place, *command)
    assert [each for each in commands if each not in done.stderr] == []
    assert "driftbreaker" not in done.stdout, "prose goes to stderr"
    assert max(map(len, done.stderr.splitlines())) < 80


def test_a_trip_by_hand_says_what_to_type(place: Place) -> None:
    with Session(place.engine) as session, session.begin():
        breaker = CircuitBreaker(session, "pricing", settings=BreakerSettings())
        breaker.report_drift(0.9)
        breaker.report_drift(0.9)
    said = run(place, "observe", "pricing", "0.9").stderr
    assert "This tripped it." in said
    assert "driftbreaker incident ack pricing" in said


def test_where_nothing_is_off_there_is_something_to_type_too(place: Place) -> None:
    assert "driftbreaker demo" in run(place, "list").stderr
    assert "Nothing is off. All of them: driftbreaker list\n" in run(place, "list", "--off").stderr
    furnish(place)
    place.enable("pricing")
    assert "driftbreaker show NAME" in run(place, "list").stderr


def test_who_took_it_is_not_told_to_take_it(place: Place) -> None:
    furnish(place)
    assert "incident ack" not in run(place, "incident", "ack", "pricing", "--by", "alice").stderr


@pytest.mark.parametrize(
    "command", [("show", "pricing"), ("disable", "pricing", *WHY), ("enable", "pricing", *WHY, "-y")]
)
def test_programs_and_dry_runs_are_told_nothing(place: Place, command: tuple[str, ...]) -> None:
    furnish(place)
    assert "driftbreaker" not in run(place, *command, "--json").stderr
    if command[0] != "show":
        assert "driftbreaker" not in run(place, *command, "-n").stderr


@pytest.mark.parametrize("name", ["pricing", 'it\'s a "name"; rm -rf'])
def test_what_is_suggested_for_a_scope_is_about_that_scope(place: Place, name: str) -> None:
    with Session(place.engine) as session, session.begin():
        breaker = CircuitBreaker(session, name, scope="gpt 4", settings=BreakerSettings())
        for _ in range(3):
            breaker.report_drift(0.9)
    place.disable("another")
    for command in (("show", name), ("show", name, "--scope", "gpt 4")):
        typed = suggested(run(place, *command).stderr)
        assert len(typed) == 3
        for words in typed:
            assert words[-2:] == ["--scope", "gpt 4"] or "--scope" in words, words
    for words in suggested(run(place, "show", name).stderr):
        run(place, *words, *MORE[words[0]])
    with Session(place.engine) as session:
        assert not CircuitBreaker(session, name, scope="gpt 4").get_state().is_open


def test_a_scope_that_is_off_because_the_whole_is_leads_to_the_whole(place: Place) -> None:
    with Session(place.engine) as session, session.begin():
        CircuitBreaker(session, "pricing", scope="gpt-4", settings=BreakerSettings()).report_drift(0.9)
    place.disable("pricing")
    said = run(place, "show", "pricing", "--scope", "gpt-4").stderr
    assert ENABLE in said
    assert "--scope" not in said
    done = run(place, "enable", "pricing", "--scope", "gpt-4", *WHY, "-y")
    assert "It was on already; it is off because the whole is." in done.stderr
    assert ENABLE in done.stderr


def test_the_end_of_a_force_can_be_typed(place: Place) -> None:
    furnish(place)
    run(place, "force-on", "search", *WHY, "--for", "1h", "--confirm", "search")
    (first, *_) = suggested(run(place, "show", "search").stderr)
    assert first == ["reset", "search"]
    run(place, *first, *MORE["reset"])
    with Session(place.engine) as session:
        assert CircuitBreaker(session, "search").get_state().forced_until is None
