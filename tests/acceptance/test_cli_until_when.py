"""Until when V2 is off, and what happens then: what is said of it is what will be, on both databases."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session
from tests.support.terminal import Place, cli
from tests.support.tty import Tty

from driftbreaker import BreakerSettings, BreakerState, CircuitBreaker
from driftbreaker.tables import default_tables

WHY = ("--reason", "because", "--by", "alice")
BY_HAND = BreakerSettings(auto_recover=False)
# Over before anybody is awake, or after everybody is.
SOON, LATER = BreakerSettings(ttl=timedelta(hours=1)), BreakerSettings(ttl=timedelta(days=3))
MORNING, FOR_LONGER = "driftbreaker hold pricing --until 09:00", "driftbreaker hold pricing --until enabled"


@pytest.fixture
def evening(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """It is about eight in the evening where the command is typed."""
    monkeypatch.setenv("TZ", f"EVENING{datetime.now(UTC).hour - 20}")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def run(place: Place, *arguments: str, exits: int = 0) -> Any:
    done = cli(*arguments, "--db", place.url)
    assert done.exit_code == exits, done.output
    return done


def trip(place: Place, settings: BreakerSettings | None = None) -> None:
    with Session(place.engine) as session, session.begin():
        breaker = CircuitBreaker(session, "pricing", settings=settings or BreakerSettings())
        for _ in range(3):
            breaker.report_drift(0.9)


def state(place: Place) -> BreakerState:
    with Session(place.engine) as session:
        return CircuitBreaker(session, "pricing").get_state()


def let_its_end_pass(place: Place) -> None:
    breakers = default_tables().breakers
    gone = state(place).disabled_until
    assert gone is not None
    with place.engine.begin() as connection:
        connection.execute(breakers.update().values(until=gone - timedelta(days=1)))


# Where no end ends anything.


def test_what_no_end_ends_is_off_until_somebody_enables_it(place: Place) -> None:
    trip(place, BY_HAND)
    run(place, "disable", "pricing", *WHY, "--for", "2h")
    let_its_end_pass(place)
    for command in (("show", "pricing"), ("list",)):
        said = run(place, *command).stdout
        assert "somebody enables it" in said
        assert "by itself" not in said
        assert " ago)," not in said
    for command in (("check", "pricing", "--json"), ("show", "pricing", "--json")):
        done = cli(*command, "--db", place.url)
        document = json.loads(done.stdout)
        assert (document if "name" in document else document["breakers"][0])["until"] is None


@pytest.mark.parametrize("command", ["disable", "hold"])
def test_who_gives_it_an_end_hears_that_it_ends_nothing(place: Place, command: str) -> None:
    trip(place, BY_HAND)
    done = run(place, command, "pricing", *WHY, "--for", "2h")
    assert "That end ends nothing: V2 is off until somebody enables it" in done.stderr
    assert "by itself" not in done.stdout
    assert "ends nothing" not in run(place, command, "pricing", *WHY[2:], "-r", "other", "--until", "enabled").stderr


def test_nothing_is_counted_down_where_nothing_ends(place: Place) -> None:
    for name in ("pricing", "search"):
        with Session(place.engine) as session, session.begin():
            settings = BY_HAND if name == "search" else BreakerSettings()
            breaker = CircuitBreaker(session, name, settings=settings)
            for _ in range(3):
                breaker.report_drift(0.9)
    with Tty("watch", "--db", place.url, "--timeout", "0.2") as tty:
        tty.wait()
        assert sum(line.endswith(" left") for line in tty.screen.text) == 1


# A hold's end.


def test_at_the_end_of_a_hold_v2_comes_back_and_it_is_said(place: Place) -> None:
    trip(place)
    done = run(place, "hold", "pricing", *WHY, "--for", "9h")
    assert "(in 9 h), then V2 comes back by itself. Held by alice: because. Nobody is on it yet." in done.stdout
    said = run(place, "show", "pricing").stdout
    assert "(in 9 h), then V2 comes back by itself\n" in said
    assert "   held    by alice: because\n" in said


def test_who_shortens_what_is_off_hears_it(place: Place) -> None:
    trip(place)
    done = run(place, "hold", "pricing", *WHY, "--for", "6h")
    assert "Sooner than before: it was off until " in done.stderr
    assert done.stderr.count("(in 1 d)") == 1
    trip_again = run(place, "hold", "pricing", *WHY, "--for", "7h")
    assert "Sooner than before" not in trip_again.stderr


def test_a_stop_that_ends_before_a_trip_does_says_so(place: Place) -> None:
    trip(place)
    assert "Sooner than before" in run(place, "disable", "pricing", *WHY, "--for", "6h").stderr


# What is suggested.


@pytest.mark.usefixtures("evening")
def test_until_the_morning_is_suggested_where_it_comes_back_before(place: Place) -> None:
    trip(place, SOON)
    said = run(place, "show", "pricing").stderr
    assert MORNING in said
    assert FOR_LONGER not in said


def test_nothing_is_suggested_that_would_end_it_sooner(place: Place) -> None:
    trip(place, LATER)
    said = run(place, "show", "pricing").stderr
    assert MORNING not in said
    assert FOR_LONGER in said
    run(place, "hold", "pricing", *WHY, "--for", "1h")
    assert "driftbreaker hold" not in run(place, "show", "pricing").stderr, "somebody decided on its end"


@pytest.mark.parametrize("settings", [BY_HAND, BreakerSettings()], ids=["by hand", "endless"])
def test_no_hold_is_suggested_for_what_never_ends(place: Place, settings: BreakerSettings) -> None:
    trip(place, settings)
    if settings.auto_recover:
        place.disable("pricing")
    assert "driftbreaker hold" not in run(place, "show", "pricing").stderr


# How far off it is.


def test_a_day_is_a_day_a_moment_later(place: Place) -> None:
    trip(place)
    assert "(in 1 d)" in run(place, "list").stdout
