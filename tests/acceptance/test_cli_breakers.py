"""Looking at breakers and turning them off and on by command, on both databases."""

from __future__ import annotations

import csv
import io
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session
from tests.support.terminal import Place, cli

from driftbreaker import BreakerSettings, BreakerState, CircuitBreaker, HistoryEntry
from driftbreaker.tables import default_tables

EVIL = "red \x1b[31m \x07 \u202e text\nsecond line '\"; DROP"
WHY = ("--reason", "because", "--by", "alice")


def run(place: Place, *arguments: str, exits: int = 0, **environment: str | None) -> Any:
    done = cli(*arguments, "--db", place.url, **environment)
    assert done.exit_code == exits, done.output
    return done


def shown(place: Place, *arguments: str) -> Any:
    return json.loads(run(place, *arguments, "--json").stdout)


def state(place: Place, name: str = "pricing", scope: str = "") -> BreakerState:
    with Session(place.engine) as session:
        return CircuitBreaker(session, name, scope=scope).get_state()


def changes(place: Place, name: str = "pricing") -> list[HistoryEntry]:
    with Session(place.engine) as session:
        return CircuitBreaker(session, name).get_history()


def report(place: Place, *scores: float, name: str = "pricing", scope: str = "") -> None:
    with Session(place.engine) as session, session.begin():
        breaker = CircuitBreaker(session, name, scope=scope, settings=BreakerSettings())
        for score in scores:
            breaker.report_drift(score, details={"model": "gpt-4"})


# Looking.


def test_the_list_leads_with_what_traffic_does(place: Place) -> None:
    report(place, 0.5, name="search")
    report(place, 0.5, 0.9, 0.6)
    lines = run(place, "list").stdout.splitlines()
    assert lines[0].startswith("■ V2 OFF · serving V1  pricing  since ")
    assert lines[1] == "   Drift score 0.6 above 0.2; failure threshold 3 reached"
    assert lines[2].startswith("   Until ")
    assert lines[2].endswith("then V2 comes back by itself. Nobody is on it yet.")
    assert lines[3:] == ["● V2 ON  search", "   1 of 3 bad scores in a row"]


def test_a_reason_of_any_length_leaves_room_for_the_others(place: Place) -> None:
    place.disable("pricing", "long " * 800)
    run(place, "hold", "pricing", "--until", "enabled", "--by", "bob", "--reason", "longer " * 500)
    report(place, 0.9, name="search")
    options = ("--for", "1h", "--confirm", "search", "--by", "eve", "--reason", "longest " * 500)
    run(place, "force-on", "search", *options)
    said = run(place, "list").stdout
    assert max(map(len, said.splitlines())) < 400
    assert said.count("…") == 3
    whole = run(place, "show", "pricing").stdout
    assert ("long " * 800).strip() in whole
    assert ("longer " * 500).strip() in whole
    assert shown(place, "list")["breakers"][0]["reason"] == "long " * 800, "programs get it whole"


def test_one_is_not_many(place: Place) -> None:
    with Session(place.engine) as session, session.begin():
        breaker = CircuitBreaker(session, "pricing", settings=BreakerSettings())
        breaker.report_drift(0.9)
        breaker.report_schema_error()
    assert "1 of 3 bad scores in a row, 1 schema error within" in run(place, "list").stdout
    with place.engine.begin() as connection:
        connection.execute(default_tables().breakers.update().values(settings=None))
    assert "   1 bad score in a row, " in run(place, "list").stdout


def test_only_what_is_off(place: Place) -> None:
    report(place, 0.5, name="search")
    done = run(place, "list", "--off")
    assert (done.stdout, done.stderr.startswith("Nothing is off. ")) == ("", True)
    place.disable("pricing")
    assert [row["name"] for row in shown(place, "list", "--off")["breakers"]] == ["pricing"]


def test_a_scope_is_off_while_its_whole_is(place: Place) -> None:
    report(place, 0.5, scope="gpt-4")
    place.disable("pricing")
    whole, scope = shown(place, "list")["breakers"]
    assert (whole["scope"], whole["serving"], scope["scope"], scope["serving"]) == ("", "control", "gpt-4", "control")
    assert scope["incident_id"] == whole["incident_id"]
    assert [row["serving"] for row in shown(place, "show", "pricing")["breakers"]] == ["control", "control"]
    assert "■ V2 OFF · serving V1 (the whole is)  pricing (gpt-4)" in run(place, "list").stdout


def test_one_whose_end_has_passed_is_on_before_anybody_wrote_that(place: Place) -> None:
    with Session(place.engine) as session, session.begin():
        end = datetime.now(UTC) + timedelta(seconds=0.3)
        CircuitBreaker(session, "pricing").disable("a short while", actor="alice", until=end)
    time.sleep(0.4)
    (on,) = shown(place, "show", "pricing")["breakers"]
    assert (on["serving"], on["incident_id"], on["incident"]) == ("candidate", None, None)


def test_there_may_be_many_that_are_on(place: Place) -> None:
    for number in range(5):
        report(place, 0.5, name=f"b{number}")
    done = run(place, "list", "--limit", "3")
    assert done.stdout.count("V2 ON") == 3
    assert "--limit 30 shows more" in done.stderr


def test_lists_for_programs(place: Place) -> None:
    place.disable("pricing", "=cmd()|evil")
    report(place, 0.5, name="search")
    (first, second) = shown(place, "list")["breakers"]
    lines = run(place, "list", "-o", "jsonl").stdout.splitlines()
    assert [json.loads(line) for line in lines] == [first, second]
    rows = list(csv.DictReader(io.StringIO(run(place, "list", "-o", "csv").stdout)))
    assert [row["name"] for row in rows] == ["pricing", "search"]
    assert rows[0]["reason"] == "'=cmd()|evil", "no formula for whoever opens it in a spreadsheet"
    assert run(place, "list", "-o", "csv", "--json", exits=2).stderr.endswith("which of them?\n")


def test_showing_one_says_everything_and_what_to_type_next(place: Place) -> None:
    report(place, 0.5, 0.9, 0.6)
    run(place, "incident", "note", "pricing", "the cache?", "--by", "bob")
    done = run(place, "show", "pricing")
    for part in (
        "why     Drift score 0.6 above 0.2",
        "circuit_breaker turned it off. Nobody is on it yet.",
        "page    P1, incident ",
        'details {"model": "gpt-4"}',
        "Tripped once so far.",
        "bob: the cache?",
    ):
        assert part in done.stdout, part
    assert "driftbreaker incident ack pricing" in done.stderr
    (document,) = shown(place, "show", "pricing")["breakers"]
    assert document["incident"]["notes"][0]["body"] == "the cache?"
    assert document["settings"]["failure_threshold"] == 3


@pytest.mark.parametrize("command", ["show", "history", "disable", "enable", "hold", "incident list", "incident ack"])
def test_who_misspells_a_name_is_told_the_near_one(place: Place, command: str) -> None:
    report(place, 0.5)
    options = WHY if command in ("disable", "enable", "hold") else ()
    done = run(place, *command.split(), "pricng", *options, exits=3)
    assert done.stderr == "Error: no breaker is called 'pricng': did you mean 'pricing'?\n"
    assert state(place, "pricng").version == 0, "nothing was made of it"


def test_the_near_one_is_found_among_many(place: Place) -> None:
    with Session(place.engine) as session, session.begin():
        for number in range(250):
            CircuitBreaker(session, f"a breaker, {number:03}").report_drift(0.5)
    report(place, 0.5)
    assert "did you mean 'pricing'?" in run(place, "show", "pticing", exits=3).stderr


def test_a_scope_that_is_not_there_is_said_with_those_that_are(place: Place) -> None:
    report(place, 0.5, scope="gpt-4")
    assert "it has: 'gpt-4'" in run(place, "show", "pricing", "--scope", "gpt-5", exits=3).stderr


def test_check_answers_by_its_status(place: Place) -> None:
    report(place, 0.5)
    assert run(place, "check", "pricing").stdout == "V2 ON  pricing\n"
    assert "nothing bad was ever reported" in run(place, "check", "unheard of").stdout
    place.disable("pricing", "wrong")
    assert run(place, "check", "pricing", exits=1).stdout == "V2 OFF · serving V1  pricing: wrong\n"
    assert run(place, "check", "pricing", "--scope", "gpt-4", exits=1).stdout.startswith("V2 OFF")


def test_check_answers_programs(place: Place) -> None:
    unheard = {
        "name": "pricing",
        "scope": "",
        "serving": "candidate",
        "reason": None,
        "until": None,
        "on_record": False,
    }
    assert json.loads(run(place, "check", "pricing", "--json").stdout) == unheard
    place.disable("pricing", "wrong")
    off = {"serving": "control", "reason": "wrong", "on_record": True}
    assert json.loads(run(place, "check", "pricing", "--json", exits=1).stdout) == {**unheard, **off}
    scoped = json.loads(run(place, "check", "pricing", "--scope", "gpt-4", "-o", "json", exits=1).stdout)
    assert scoped == {**unheard, **off, "scope": "gpt-4"}
    place.enable("pricing")
    assert json.loads(run(place, "check", "pricing", "--json").stdout) == {**unheard, "on_record": True}
    assert "Nagios reads one line" in run(place, "check", "pricing", "--json", "--nagios", exits=3).stdout


def test_check_answers_nagios(place: Place) -> None:
    assert run(place, "check", "pricing", "--nagios").stdout.startswith("OK: ")
    place.disable("pricing")
    assert run(place, "check", "pricing", "--nagios", exits=2).stdout.startswith("CRITICAL: ")
    done = cli("check", "pricing", "--nagios", "--db", "sqlite:////no/such/folder/x.db")
    assert (done.exit_code, done.stdout.startswith("UNKNOWN: there is no file")) == (3, True)


# Turning it off.


def test_off_until_somebody_enables_it(place: Place) -> None:
    report(place, 0.5)
    done = run(place, "disable", "pricing", *WHY)
    assert "■ V2 OFF · serving V1  pricing" in done.stdout
    assert "Until somebody enables it." in done.stdout
    found = state(place)
    assert (found.is_open, found.reason, found.disabled_by, found.disabled_until) == (True, "because", "alice", None)
    entry = changes(place)[0]
    assert (entry.door, entry.source, entry.actor) == ("cli", "claimed", "alice")


def test_off_for_a_while(place: Place) -> None:
    report(place, 0.5)
    run(place, "disable", "pricing", *WHY, "--for", "2h")
    found = state(place)
    assert found.disabled_until is not None
    assert found.opened_at is not None
    assert abs((found.disabled_until - found.opened_at).total_seconds() - 7_200) < 5


def test_a_new_name_must_be_meant(place: Place) -> None:
    assert "driftbreaker list shows what there is" in run(place, "disable", "pricing", *WHY, exits=3).stderr
    run(place, "disable", "pricing", *WHY, "--new")
    assert state(place).is_open


def test_off_already_for_this_reason_is_no_change(place: Place) -> None:
    place.disable("pricing", "because")
    done = run(place, "disable", "pricing", *WHY)
    assert "It was off already, for this very reason." in done.stderr
    assert shown(place, "disable", "pricing", *WHY)["changed"] is False


def test_holding_keeps_the_incident_and_outlives_the_time_to_live(place: Place) -> None:
    report(place, 0.5, 0.9, 0.6)
    before = state(place)
    done = run(place, "hold", "pricing", "--until", "enabled", *WHY)
    assert "Until somebody enables it. Held by alice: because." in done.stdout
    after = state(place)
    assert (after.incident_id, after.held_by, after.disabled_until) == (before.incident_id, "alice", None)


def test_there_is_nothing_to_hold_where_it_is_on(place: Place) -> None:
    report(place, 0.5)
    assert "there is nothing to hold" in run(place, "hold", "pricing", "--for", "8h", *WHY, exits=1).stderr
    assert "until when?" in run(place, "hold", "pricing", *WHY, exits=2).stderr


def test_an_end_that_is_past_is_refused(place: Place) -> None:
    place.disable("pricing")
    done = run(place, "hold", "pricing", "--until", "2020-01-01T00:00Z", *WHY, exits=2)
    assert "until must lie ahead" in done.stderr


# Turning it on.


def test_on_again_asks_unless_it_is_told_yes(place: Place) -> None:
    place.disable("pricing", "wrong on discounts")
    done = run(place, "enable", "pricing", *WHY, exits=2)
    assert "wrong on discounts" in done.stderr
    assert "Nobody is there to answer: give -y" in done.stderr
    assert state(place).is_open
    run(place, "enable", "pricing", *WHY, "-y")
    assert not state(place).is_open


def test_on_already_is_no_change(place: Place) -> None:
    report(place, 0.5)
    assert "It was on already." in run(place, "enable", "pricing", *WHY, "-y").stderr


def test_reset_forgets_what_was_counted_and_says_whether_there_was_anything(place: Place) -> None:
    report(place, 0.5, 0.5)
    assert shown(place, "reset", "pricing", *WHY, "-y")["changed"] is True
    assert state(place).consecutive_failures == 0
    assert shown(place, "reset", "pricing", *WHY, "-y")["changed"] is False
    assert "It is on, and nothing was counted." in run(place, "reset", "pricing", *WHY, "-y").stderr
    assert [entry.change for entry in changes(place)] == ["reset"]
    place.disable("pricing")
    assert shown(place, "reset", "pricing", *WHY, "-y")["changed"] is True
    assert not state(place).is_open


def test_forcing_on_wants_an_end_and_the_name_twice(place: Place) -> None:
    report(place, 0.5)
    assert "--confirm=pricing" in run(place, "force-on", "pricing", *WHY, "--for", "1h", exits=2).stderr
    confirmed = ("force-on", "pricing", *WHY, "--confirm", "pricing")
    assert "it must end" in run(place, *confirmed, exits=2).stderr
    assert "it must end" in run(place, *confirmed, "--until", "enabled", exits=2).stderr
    assert "▲ V2 FORCED ON" in run(place, *confirmed, "--for", "1h").stdout
    assert state(place).forced_until is not None
    report(place, 0.9, 0.9, 0.9, 0.9)
    assert not state(place).is_open


def test_who_forced_it_on_and_why_is_said(place: Place) -> None:
    report(place, 0.5)
    options = ("--by", "eve", "--reason", "demo day", "--for", "1h", "--confirm", "pricing")
    assert shown(place, "force-on", "pricing", *options)["changed"] is True
    for command in (("show", "pricing"), ("list",)):
        assert "(in 1 h), by eve: demo day. Reports count and never trip." in run(place, *command).stdout
    (document,) = shown(place, "show", "pricing")["breakers"]
    assert (document["forced_by"], document["forced_reason"], document["held_reason"]) == ("eve", "demo day", None)
    run(place, "reset", "pricing", *WHY, "-y")
    (document,) = shown(place, "list")["breakers"]
    assert (document["forced_until"], document["forced_by"], document["forced_reason"]) == (None, None, None)


def test_why_it_is_held_is_there_for_programs(place: Place) -> None:
    place.disable("pricing")
    run(place, "hold", "pricing", "--until", "enabled", *WHY)
    assert shown(place, "list")["breakers"][0]["held_reason"] == "because"


@pytest.mark.parametrize(
    "command",
    [
        ("disable", "pricing", *WHY),
        ("enable", "search", *WHY, "-y"),
        ("reset", "search", *WHY, "-y"),
        ("hold", "search", *WHY, "--for", "1h"),
        ("force-on", "search", *WHY, "--for", "1h", "--confirm", "search"),
    ],
    ids=lambda command: command[0],
)
def test_a_dry_run_says_what_would_be_and_changes_nothing(place: Place, command: tuple[str, ...]) -> None:
    report(place, 0.5)
    place.disable("search")
    before = state(place), state(place, "search"), len(changes(place)), len(changes(place, "search"))
    done = run(place, *command, "--dry-run")
    assert "Nothing was changed: this is what it would be." in done.stderr
    assert (state(place), state(place, "search"), len(changes(place)), len(changes(place, "search"))) == before


# Who and why.


@pytest.mark.parametrize("command", ["disable", "enable", "reset", "hold"])
def test_nothing_changes_without_a_reason(place: Place, command: str) -> None:
    place.disable("pricing")
    for given in ((), ("--reason", " ")):
        assert "why? Give --reason TEXT" in run(place, command, "pricing", *given, "--by", "alice", exits=2).stderr


def test_who_acts_may_stand_in_the_environment(place: Place) -> None:
    report(place, 0.5)
    run(place, "disable", "pricing", "--reason", "because", DRIFTBREAKER_BY="carol")
    assert state(place).disabled_by == "carol"


def test_what_others_wrote_moves_no_cursor(place: Place) -> None:
    report(place, 0.5)
    run(place, "disable", "pricing", "--reason", EVIL, "--by", EVIL)
    run(place, "incident", "note", "pricing", EVIL, "--by", EVIL)
    for command in (("list",), ("show", "pricing"), ("history", "pricing"), ("incident", "list", "pricing")):
        for kind in ((), ("--json",)):
            said = run(place, *command, *kind).stdout
            assert "\x1b" not in said
            assert "\x07" not in said
            assert "\u202e" not in said
    assert shown(place, "show", "pricing")["breakers"][0]["reason"] == EVIL
    assert state(place).reason == EVIL


# What happened.


def test_the_history_is_read_page_by_page(place: Place) -> None:
    for _ in range(3):
        place.disable("pricing")
        place.enable("pricing")
    everything = shown(place, "history", "pricing")["history"]
    assert [entry["change"] for entry in everything] == ["enable", "disable"] * 3
    done = run(place, "history", "pricing", "--limit", "4")
    assert f"--before {everything[3]['seq']}" in done.stderr
    rest = shown(place, "history", "pricing", "--before", str(everything[3]["seq"]))["history"]
    assert rest == everything[4:]
