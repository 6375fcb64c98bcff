"""Somebody else was first: it is said who, with status 5, and what was never seen is not undone."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session
from tests.support.alertmanagers import eventually
from tests.support.terminal import Place, cli, process
from tests.support.tty import Tty

from driftbreaker import BreakerSettings, BreakerState, CircuitBreaker, store
from driftbreaker.tables import default_tables

HOUR = timedelta(hours=1)


def run(place: Place, *arguments: str, by: str = "dave", exits: int = 0) -> Any:
    done = cli(*arguments, "--reason", f"{by} says so", "--by", by, "--db", place.url)
    assert done.exit_code == exits, done.output
    return done


def act(place: Place, do: Any, name: str = "pricing") -> Any:
    with Session(place.engine) as session, session.begin():
        return do(CircuitBreaker(session, name))


def state(place: Place) -> BreakerState:
    found: BreakerState = act(place, lambda breaker: breaker.get_state())
    return found


def now(place: Place) -> Any:
    with Session(place.engine) as session:
        return store.database_now(session, default_tables())


def trip(place: Place, settings: BreakerSettings | None = None) -> None:
    with Session(place.engine) as session, session.begin():
        breaker = CircuitBreaker(session, "pricing", settings=settings or BreakerSettings())
        for _ in range(3):
            breaker.report_drift(0.9)


# While somebody was asked.


def asked(place: Place, command: str, meanwhile: Any, answer: str = "y\n") -> tuple[int, str]:
    """Type a command on a terminal, let others act while it asks, and answer."""
    with Tty(command, "pricing", "--reason", "ok", "--by", "alice", "--db", place.url, columns=200) as tty:
        tty.until(lambda: "[y/N]" in tty.said)
        act(place, meanwhile)
        tty.press(answer)
        return tty.wait(), tty.said


@pytest.mark.parametrize("command", ["enable", "reset"])
def test_a_stop_that_was_never_seen_stays(place: Place, command: str) -> None:
    place.disable("pricing", "old")
    status, said = asked(place, command, lambda it: it.disable("DATA CORRUPTION, do not enable", actor="bob"))
    assert (status, state(place).is_open) == (5, True)
    assert "Error: bob was first (supersede): DATA CORRUPTION, do not enable. " in said
    assert "driftbreaker show pricing" in said


def test_a_hold_that_was_never_seen_stays(place: Place) -> None:
    trip(place)
    status, said = asked(place, "enable", lambda it: it.hold("wait for finance", actor="bob", until=None))
    assert (status, state(place).held_by) == (5, "bob")
    assert "bob was first (hold): wait for finance" in said


def test_who_turned_it_on_meanwhile_is_said(place: Place) -> None:
    place.disable("pricing")
    status, said = asked(place, "enable", lambda it: it.enable("repaired", actor="bob"))
    assert (status, state(place).is_open) == (5, False)
    assert "bob was first (enable): repaired" in said


def test_off_and_on_again_meanwhile_is_news_as_well(place: Place) -> None:
    place.disable("pricing")
    status, said = asked(
        place, "enable", lambda it: [it.enable("repaired", actor="bob"), it.disable("no, it is not", actor="bob")]
    )
    assert (status, state(place).is_open) == (5, True)
    assert "bob was first (disable): no, it is not" in said


@pytest.mark.parametrize(
    "meanwhile",
    [
        lambda it: it.add_note("the cache?", actor="bob"),
        lambda it: it.acknowledge("On it", actor="bob"),
        lambda it: it.assign("carol", "her code", actor="bob"),
    ],
    ids=["note", "ack", "assign"],
)
def test_who_wrote_to_the_incident_is_in_nobodys_way(place: Place, meanwhile: Any) -> None:
    place.disable("pricing")
    assert asked(place, "enable", meanwhile)[0] == 0
    assert not state(place).is_open


def test_an_end_that_passed_meanwhile_is_no_conflict(place: Place) -> None:
    end = now(place) + HOUR
    act(place, lambda it: it.disable("a while", actor="alice", until=end))

    def pass_by(_: CircuitBreaker) -> None:
        """Nobody has written the recovery."""
        breakers = default_tables().breakers
        with place.engine.begin() as connection:
            connection.execute(breakers.update().values(until=end - 2 * HOUR, changed_at=end - 3 * HOUR))

    status, said = asked(place, "enable", pass_by)
    assert (status, state(place).is_open) == (0, False)
    assert "It was on already." in said


def test_what_is_turned_off_while_a_reason_is_asked_for_is_seen_first(place: Place) -> None:
    trip(place)
    place.enable("pricing")
    with Tty("enable", "pricing", "--by", "alice", "--db", place.url, columns=200) as tty:
        tty.until(lambda: "Why" in tty.said)
        place.disable("pricing", "just now")
        tty.press("ok\n")
        tty.until(lambda: "just now" in tty.said)
        tty.press("n\n")
        assert tty.wait() != 0
    assert state(place).is_open


# Another person's end.


def test_a_hold_that_would_end_anothers_sooner_says_whose(place: Place) -> None:
    trip(place)
    run(place, "hold", "pricing", "--for", "9h", by="carol")
    held = state(place).recovers_at
    done = run(place, "hold", "pricing", "--for", "1h", exits=5)
    assert done.stdout == ""
    assert done.stderr.startswith("Error: carol holds it until ")
    assert done.stderr.endswith(" UTC (in 9 h): carol says so. Yours would end sooner: -y takes its place\n")
    assert (state(place).held_by, state(place).recovers_at) == ("carol", held)


def test_yes_takes_its_place_and_says_whose(place: Place) -> None:
    trip(place)
    run(place, "hold", "pricing", "--for", "9h", by="carol")
    done = run(place, "hold", "pricing", "--for", "1h", "-y")
    assert state(place).held_by == "dave"
    assert "In place of carol's hold until " in done.stderr
    assert "(in 9 h): carol says so" in done.stderr


@pytest.mark.parametrize("command", ["disable", "hold"])
def test_an_endless_stop_of_anothers_gets_no_end_without_a_word(place: Place, command: str) -> None:
    place.disable("pricing", "DATA CORRUPTION")
    done = run(place, command, "pricing", "--for", "1h", exits=5)
    assert "Error: alice turned it off until somebody enables it: DATA CORRUPTION. Yours would" in done.stderr
    found = state(place)
    assert (found.is_open, found.reason, found.recovers_at) == (True, "DATA CORRUPTION", None)
    run(place, command, "pricing", "--for", "1h", "--yes")
    assert state(place).recovers_at is not None


def test_a_stop_that_would_end_anothers_hold_sooner_says_whose(place: Place) -> None:
    trip(place)
    run(place, "hold", "pricing", "--until", "enabled", by="carol")
    done = run(place, "disable", "pricing", "--for", "1h", exits=5)
    assert "Error: carol holds it until somebody enables it: carol says so. Yours would" in done.stderr


def test_a_later_end_is_nobodys_conflict(place: Place) -> None:
    trip(place)
    run(place, "hold", "pricing", "--for", "9h", by="carol")
    assert "In place of carol's hold until " in run(place, "hold", "pricing", "--for", "12h").stderr
    assert "In place of dave's hold until " in run(place, "disable", "pricing", by="erin").stderr
    assert "In place of erin's stop until somebody enables it: erin says so" in run(place, "disable", "pricing").stderr
    assert "In place" not in run(place, "hold", "pricing", "--until", "enabled", by="frank").stderr, "no end changed"


def test_what_somebody_decides_while_this_one_waits_for_the_row_counts(postgres_url: str) -> None:
    place = Place(postgres_url, create_engine(postgres_url))
    trip(place)
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    with Session(place.engine) as first:
        CircuitBreaker(first, "pricing").hold("wait for finance", actor="carol", until=None)
        second = process("hold", "pricing", "--for", "1h", "--reason", "y", "--by", "dave", "--db", postgres_url)
        with place.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as beside:
            eventually(lambda: beside.execute(waiting).scalar_one() == 1, "the second one waits for the row")
        first.commit()
    _, said = second.communicate(timeout=60)
    assert (second.returncode, state(place).held_by) == (5, "carol")
    assert "carol holds it until somebody enables it: wait for finance" in said
    place.engine.dispose()


def test_ones_own_end_may_be_moved(place: Place) -> None:
    trip(place)
    run(place, "hold", "pricing", "--for", "9h")
    done = run(place, "hold", "pricing", "--for", "1h")
    assert "Sooner than before: it was off until " in done.stderr
    assert "In place" not in done.stderr


def test_the_same_reason_with_a_sooner_end_changes_nothing_and_is_no_conflict(place: Place) -> None:
    place.disable("pricing", "dave says so")
    assert "for this very reason" in run(place, "disable", "pricing", "--for", "1h").stderr
    assert state(place).recovers_at is None


def test_where_no_end_ends_anything_none_is_sooner(place: Place) -> None:
    trip(place, BreakerSettings(auto_recover=False))
    run(place, "hold", "pricing", "--for", "9h", by="carol")
    run(place, "hold", "pricing", "--for", "1h")
    assert state(place).held_by == "dave"


def test_a_dry_run_says_that_it_would_be_refused(place: Place) -> None:
    place.disable("pricing")
    assert "alice turned it off" in run(place, "hold", "pricing", "--for", "1h", "-n", exits=5).stderr
    assert "would be" in run(place, "hold", "pricing", "--for", "1h", "-n", "-y").stderr
    assert state(place).recovers_at is None


def test_what_others_wrote_is_short_and_moves_no_cursor(place: Place) -> None:
    place.disable("pricing", "red \x1b[31m" + "long " * 800)
    said = run(place, "hold", "pricing", "--for", "1h", exits=5).stderr
    assert "\x1b" not in said
    assert "…. Yours would end sooner" in said
    assert len(said) < 400


def test_who_forces_it_on_hears_whose_stop_that_ends(place: Place) -> None:
    place.disable("pricing", "DATA CORRUPTION")
    done = run(place, "force-on", "pricing", "--for", "1h", "--confirm", "pricing")
    assert "In place of alice's stop until somebody enables it: DATA CORRUPTION" in done.stderr


def test_programs_hear_it_by_the_status(place: Place) -> None:
    place.disable("pricing")
    assert run(place, "hold", "pricing", "--for", "1h", "--json", exits=5).stdout == ""
    assert json.loads(run(place, "hold", "pricing", "--for", "1h", "--json", "-y").stdout)["changed"] is True
