"""`driftbreaker outbox`: what fires or waits, one alert in full, and trying again; on both databases."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import create_engine, select, text, update
from tests.support.inbox import DOWN, REFUSED, Inbox
from tests.support.terminal import Place, cli

from driftbreaker import Cadence, metadata
from driftbreaker.tables import default_tables

TABLES = default_tables()
EVIL = "red \x1b[31m \x07 \u202e text"


def rows(place: Place, table: Any) -> list[dict[str, Any]]:
    with place.engine.connect() as connection:
        return [dict(row) for row in connection.execute(select(table).order_by(*table.primary_key)).mappings()]


def listed(place: Place, *options: str) -> list[dict[str, Any]]:
    done = cli("outbox", "list", "--db", place.url, "--json", *options)
    assert (done.exit_code, done.stderr) == (0, "")
    found: list[dict[str, Any]] = json.loads(done.stdout)["alerts"]
    return found


def test_nothing_on_record_is_said_on_stderr(place: Place) -> None:
    done = cli("outbox", "list", "--db", place.url)
    assert (done.exit_code, done.stdout) == (0, "")
    assert "No alert fires or waits" in done.stderr
    assert listed(place) == []


def test_what_no_relay_took_is_listed(place: Place) -> None:
    place.disable("pricing", scope="gpt-4")
    done = cli("outbox", "list", "--db", place.url)
    assert "■ FIRING    pricing (gpt-4)  since " in done.stdout
    assert "no relay has taken it yet" in done.stdout


def test_every_channel_tells_how_it_does(place: Place) -> None:
    place.disable("pricing")
    place.relay(Inbox("good"), Inbox("down", answer=DOWN), Inbox("refusing", answer=REFUSED))
    (alert,) = listed(place)
    assert (alert["breaker"], alert["scope"], alert["state"], alert["lapsed"]) == ("pricing", "", "firing", False)
    good, down, refusing = sorted(
        alert["deliveries"], key=lambda each: ["good", "down", "refusing"].index(each["channel"])
    )
    assert good["state_sent"] == "firing"
    assert good["last_sent_at"]
    assert good["next_at"] > good["last_sent_at"]
    assert (down["attempts"], down["error"], down["parked_at"]) == (1, "the receiver is down", None)
    assert refusing["parked_at"]
    assert refusing["error"] == "400: bad label"

    text = cli("outbox", "list", "--db", place.url).stdout
    assert "good: firing sent" in text
    assert "down: failing, 1 try" in text
    assert "refusing: parked" in text


def test_what_is_over_and_told_is_shown_with_all_alone(place: Place) -> None:
    inbox = Inbox(cadence=Cadence.MESSAGE)
    place.disable("pricing")
    place.relay(inbox)
    place.enable("pricing")
    assert [alert["state"] for alert in listed(place)] == ["resolved"], "the resolve waits"
    place.relay(inbox)
    assert listed(place) == []
    assert [alert["state"] for alert in listed(place, "--all")] == ["resolved"]


def test_a_refused_resolve_stays_listed(place: Place) -> None:
    inbox = Inbox()
    place.disable("pricing")
    place.relay(inbox)
    place.enable("pricing")
    inbox.answer = REFUSED
    place.relay(inbox)
    (alert,) = listed(place)
    assert alert["deliveries"][0]["parked_at"]


def test_an_expired_breaker_is_not_said_to_fire(place: Place) -> None:
    place.disable("pricing")
    with place.engine.begin() as connection:
        connection.execute(update(TABLES.outbox).values(ends_at=TABLES.outbox.c.starts_at))
    assert listed(place)[0]["lapsed"] is True
    assert "◌ LAPSED    pricing" in cli("outbox", "list", "--db", place.url).stdout


def test_looking_writes_nothing(place: Place) -> None:
    place.disable("pricing")
    place.relay(Inbox("down", answer=DOWN))
    before = rows(place, TABLES.outbox), rows(place, TABLES.deliveries)
    for command in (("list",), ("list", "--all"), ("show", "pricing")):
        assert cli("outbox", *command, "--db", place.url).exit_code == 0
    assert (rows(place, TABLES.outbox), rows(place, TABLES.deliveries)) == before


def test_show_has_labels_incident_and_what_was_refused(place: Place) -> None:
    place.disable("pricing", "finance closes the month")
    place.relay(Inbox("refusing", answer=REFUSED))
    done = cli("outbox", "show", "pricing", "--db", place.url, "--json")
    (alert,) = json.loads(done.stdout)["alerts"]
    assert alert["labels"]["circuit_breaker"] == "pricing"
    assert alert["incident"]["reason"] == "finance closes the month"
    assert alert["deliveries"][0]["parked_body"] == '{"labels": {}}'

    text = cli("outbox", "show", "pricing", "--db", place.url).stdout
    for part in ("circuit_breaker=pricing", "finance closes the month", 'refused by refusing:\n     {"labels": {}}'):
        assert part in text


def test_a_breaker_may_have_several_alerts(place: Place) -> None:
    place.disable("pricing")
    place.disable("pricing", scope="gpt-4")
    done = cli("outbox", "show", "pricing", "--db", place.url, "--json")
    assert sorted(alert["scope"] for alert in json.loads(done.stdout)["alerts"]) == ["", "gpt-4"]


def test_six_signs_of_an_identity_are_enough_and_five_are_not(place: Place) -> None:
    place.disable("pricing")
    (alert,) = listed(place)
    identity = alert["identity"]
    for word in (identity, identity[:6], identity[:12].upper()):
        shown = cli("outbox", "show", word, "--db", place.url, "--json")
        assert json.loads(shown.stdout)["alerts"][0]["identity"] == identity
    assert cli("outbox", "show", identity[:5], "--db", place.url).exit_code == 3


def test_an_ambiguous_prefix_is_refused_with_what_it_could_be(place: Place) -> None:
    place.disable("pricing")
    place.disable("summary")
    with place.engine.begin() as connection:
        for number, name in enumerate(("pricing", "summary")):
            row = TABLES.outbox.c.name == name
            connection.execute(update(TABLES.outbox).where(row).values(identity=f"abcdef{number}".ljust(64, "0")))
    done = cli("outbox", "show", "abcdef", "--db", place.url)
    assert done.exit_code == 2
    assert "2 identities begin with abcdef: abcdef0000000000, abcdef1000000000" in done.stderr
    assert cli("outbox", "show", "abcdef1", "--db", place.url).exit_code == 0


@pytest.mark.parametrize("command", ["show", "retry"])
def test_an_unknown_breaker_is_not_found_and_the_near_one_is_named(place: Place, command: str) -> None:
    place.disable("pricing")
    done = cli("outbox", command, "pricnig", "--db", place.url)
    assert (done.exit_code, done.stdout) == (3, "")
    assert "no breaker or alert is called 'pricnig': did you mean 'pricing'?" in done.stderr
    done = cli("outbox", command, "xyz", "--db", place.url)
    assert done.exit_code == 3
    assert "driftbreaker outbox list --all shows what there is" in done.stderr


@pytest.mark.parametrize("word", ["a\x00b", "\ud800", "%", "a" * 300, "'; DROP TABLE x", "", "\x1b[31m"])
def test_odd_words_are_not_found(place: Place, word: str) -> None:
    done = cli("outbox", "show", word, "--db", place.url)
    assert done.exit_code == 3
    assert "\x1b" not in done.stderr


def test_a_breaker_that_never_opened_has_no_alert(place: Place) -> None:
    from sqlalchemy.orm import Session

    from driftbreaker import CircuitBreaker

    with Session(place.engine) as session, session.begin():
        CircuitBreaker(session, "calm").report_drift(0.5)
    done = cli("outbox", "show", "calm", "--db", place.url)
    assert done.exit_code == 3
    assert "'calm' has no alert on record" in done.stderr


def test_retry_makes_parked_and_failing_deliveries_due_at_once(place: Place) -> None:
    down, refusing, good = Inbox("down", answer=DOWN), Inbox("refusing", answer=REFUSED), Inbox("good")
    place.disable("pricing")
    place.disable("other")
    place.relay(down, refusing, good, retry_base=3600.0, resend_interval=3600.0)
    before = rows(place, TABLES.outbox)

    done = cli("outbox", "retry", "pricing", "--db", place.url, "--json")
    due = json.loads(done.stdout)
    assert sorted(each["channel"] for each in due["due"]) == ["down", "refusing"]
    assert due["at_work"] == 0
    assert rows(place, TABLES.outbox) == before, "an alert is never written"
    (identity,) = {each["identity"] for each in due["due"]}
    for row in rows(place, TABLES.deliveries):
        if row["identity"] == identity and row["channel"] != "good":
            assert (row["attempts"], row["parked_version"], row["parked_at"], row["parked_body"]) == (
                0,
                None,
                None,
                None,
            )

    # Their receivers are well again, and a relay looks.
    for inbox in (down, refusing, good):
        inbox.alerts.clear()
    refusing.answer = Inbox().answer
    assert place.relay(refusing).sent == 1
    assert [alert.name for alert in refusing.alerts] == ["pricing"], "the other one is parked still"


def test_retry_all_says_how_many(place: Place) -> None:
    for name in ("one", "two"):
        place.disable(name)
    place.relay(Inbox("refusing", answer=REFUSED), Inbox("good"))
    done = cli("outbox", "retry", "--all", "--db", place.url)
    assert done.exit_code == 0
    assert len(done.stdout.splitlines()) == 2
    assert "2 deliveries are due at once." in done.stderr
    done = cli("outbox", "retry", "--all", "--db", place.url)
    assert (done.exit_code, done.stdout) == (3, "")
    assert "nothing is parked or failing" in done.stderr


def test_retry_leaves_to_a_relay_what_it_is_sending(place: Place) -> None:
    place.disable("pricing")
    place.relay(Inbox("down", answer=DOWN), retry_base=3600.0)
    d = TABLES.deliveries
    with place.engine.begin() as connection:
        connection.execute(update(d).values(lease="somebody", lease_until=d.c.next_at))
    leased = rows(place, d)[0]["lease_until"]
    done = cli("outbox", "retry", "pricing", "--db", place.url, "--json")
    told = json.loads(done.stdout)
    assert (told["due"], told["at_work"]) == ([], 1), leased
    assert rows(place, d)[0]["attempts"] == 1

    # The relay is gone: its lease has ended, and nobody is at work.
    with place.engine.begin() as connection:
        connection.execute(update(d).values(lease_until=datetime(2020, 1, 1, tzinfo=UTC)))
    told = json.loads(cli("outbox", "retry", "pricing", "--db", place.url, "--json").stdout)
    assert (len(told["due"]), told["at_work"]) == (1, 0)


def test_retry_does_not_wait_for_a_relay_that_is_about_to_settle(postgres_url: str) -> None:
    """Two who lock many rows each, and wait for each other's, would never be done."""
    place = Place(postgres_url, create_engine(postgres_url))
    metadata.create_all(place.engine)
    place.disable("pricing")
    place.relay(Inbox("down", answer=DOWN), retry_base=3600.0)
    with place.engine.begin() as relay:
        relay.execute(text("SELECT 1 FROM driftbreaker_deliveries FOR UPDATE"))
        done = cli("outbox", "retry", "--all", "--db", place.url, "--timeout", "20")
    assert (done.exit_code, done.stdout) == (3, "")
    assert cli("outbox", "retry", "--all", "--db", place.url).exit_code == 0
    place.engine.dispose()


@pytest.mark.parametrize("arguments", [(), ("pricing", "--all")])
def test_retry_wants_an_alert_or_all(place: Place, arguments: tuple[str, ...]) -> None:
    done = cli("outbox", "retry", *arguments, "--db", place.url)
    assert done.exit_code == 2
    assert "which alert?" in done.stderr


def test_what_others_wrote_moves_no_cursor(place: Place) -> None:
    place.disable(f"evil {EVIL}", EVIL)
    place.relay(Inbox("down", answer=lambda _: type(DOWN)(result=DOWN.result, error=EVIL)))
    for command in (("list",), ("list", "--json"), ("show", f"evil {EVIL}"), ("show", f"evil {EVIL}", "--json")):
        done = cli("outbox", *command, "--db", place.url)
        assert done.exit_code == 0
        assert not {"\x1b", "\x07", "\u202e"} & set(done.stdout), command


def test_an_encoding_without_the_signs_gets_ascii(place: Place) -> None:
    from tests.support.terminal import process

    place.disable("prïcing")
    running = process("outbox", "list", "--db", place.url, PYTHONIOENCODING="ascii")
    told, complaint = running.communicate(timeout=60)
    assert (running.returncode, complaint) == (0, "")
    assert "# FIRING    pr\\xefcing" in told
