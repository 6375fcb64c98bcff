"""Incidents by command: who is on it, whose it is, what was written to it."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy.orm import Session
from tests.support.terminal import Place, cli

from driftbreaker import CircuitBreaker


def run(place: Place, *arguments: str, exits: int = 0) -> Any:
    done = cli("incident", *arguments, "--db", place.url)
    assert done.exit_code == exits, done.output
    return done


def incidents(place: Place, *options: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run(place, "list", "pricing", "--json", *options).stdout)["incidents"]
    return found


def test_the_first_is_on_it_and_the_second_hears_who(place: Place) -> None:
    place.disable("pricing")
    assert "alice is on it." in run(place, "ack", "pricing", "--by", "alice").stdout
    assert run(place, "ack", "pricing", "--by", "bob", exits=5).stderr == "Error: alice is on it already\n"
    with Session(place.engine) as session:
        entry = CircuitBreaker(session, "pricing").get_history()[0]
    assert (entry.change, entry.actor, entry.reason, entry.door) == ("acknowledge", "alice", "On it", "cli")


def test_it_is_given_to_somebody_and_to_nobody(place: Place) -> None:
    place.disable("pricing")
    why = ("--reason", "his code", "--by", "alice")
    assert "Assigned to bob." in run(place, "assign", "pricing", "bob", *why).stdout
    assert "assigned to bob already" in run(place, "assign", "pricing", "bob", *why, exits=5).stderr
    run(place, "assign", "pricing", "nobody", *why)
    assert incidents(place)[0]["assigned_to"] is None


def test_notes_are_read_with_the_incident_also_when_it_is_over(place: Place) -> None:
    place.disable("pricing")
    (incident,) = incidents(place)
    run(place, "note", "pricing", "the cache?", "--by", "bob")
    place.enable("pricing")
    assert "there is no incident" in run(place, "note", "pricing", "it was", "--by", "bob", exits=3).stderr
    run(place, "note", "pricing", "it was", "--by", "bob", "--incident", incident["id"])
    assert incidents(place) == []
    (over,) = incidents(place, "--all")
    assert [note["body"] for note in over["notes"]] == ["the cache?", "it was"]
    assert "bob: it was" in run(place, "list", "pricing", "--all").stdout


def test_an_incident_that_is_over_is_not_taken_for_the_present_one(place: Place) -> None:
    place.disable("pricing", "first")
    (first,) = incidents(place)
    place.disable("pricing", "second")
    done = run(place, "ack", "pricing", "--incident", first["id"], "--by", "alice", exits=5)
    assert "is over: pricing may have another one by now" in done.stderr
    assert incidents(place)[0]["acknowledged_by"] is None


def test_where_there_is_none_it_says_so(place: Place) -> None:
    place.disable("pricing")
    place.enable("pricing")
    assert "pricing is on: there is no incident" in run(place, "ack", "pricing", "--by", "alice", exits=3).stderr
    assert "has no incident 'x'" in run(place, "note", "pricing", "hm", "--incident", "x", "--by", "a", exits=2).stderr
    assert "It is not off. See --all" in run(place, "list", "pricing").stderr


def test_one_in_full(place: Place) -> None:
    place.disable("pricing", "first")
    run(place, "note", "pricing", "the cache?", "--by", "bob")
    (first,) = incidents(place)
    place.disable("pricing", "second")
    run(place, "ack", "pricing", "--by", "alice")
    shown = run(place, "show", "pricing").stdout
    assert shown.startswith("■ open  P2  pricing  since ")
    for part in ("why     second", "who     alice is on it.", "acknowledge by alice: On it", "page    ■ FIRING"):
        assert part in shown, part
    assert "no relay has taken it yet" in shown
    assert "the cache?" not in shown
    over = run(place, "show", "--incident", first["id"]).stdout
    for part in ("● over", "why     first", "took its place", "bob: the cache?", "disable by alice: first"):
        assert part in over, part
    assert "acknowledge" not in over
    assert "FIRING" not in over, "its page tells of the second one by now"


def test_one_in_full_for_programs(place: Place) -> None:
    place.disable("pricing")
    place.enable("pricing")
    incident = json.loads(run(place, "show", "pricing", "--json").stdout)["incident"]
    assert [entry["change"] for entry in incident["history"]] == ["disable", "enable"]
    assert [alert["state"] for alert in incident["alerts"]] == ["resolved"]
    assert "Take it" not in run(place, "show", "pricing").stderr


def test_which_one_must_be_said(place: Place) -> None:
    place.disable("pricing")
    assert "which incident?" in run(place, "show", exits=2).stderr
    assert "which incident?" in run(place, "show", "pricing", "--incident", "x", exits=2).stderr
    assert "no incident has the id 'x'" in run(place, "show", "--incident", "x", exits=3).stderr
    assert "must be an incident's id" in run(place, "show", "--incident", "x" * 40, exits=2).stderr
    with Session(place.engine) as session, session.begin():
        CircuitBreaker(session, "search").report_drift(0.5)
    assert "search never was off" in run(place, "show", "search", exits=3).stderr
