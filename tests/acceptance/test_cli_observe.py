"""`driftbreaker observe`: reports by hand, judged as the service judges, on both databases."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from tests.support.terminal import Place, cli

from driftbreaker import AlertSettings, BreakerSettings, BreakerState, CircuitBreaker
from driftbreaker.tables import default_tables

BREAKERS = default_tables().breakers
OWN = BreakerSettings(
    failure_threshold=2,
    drift_threshold=0.5,
    schema_error_threshold=4,
    ttl=timedelta(hours=2),
    alert=AlertSettings(alertname="PricesOff", labels={"service": "shop"}),
)


def observe(place: Place, *arguments: str, exits: int = 0) -> Any:
    done = cli("observe", *arguments, "--by", "alice", "--db", place.url)
    assert done.exit_code == exits, done.output
    return done


def outcome(place: Place, *arguments: str) -> Any:
    return json.loads(observe(place, *arguments, "--json").stdout)


def state(place: Place, scope: str = "") -> BreakerState:
    with Session(place.engine) as session:
        return CircuitBreaker(session, "pricing", scope=scope).get_state()


def row(place: Place) -> Any:
    with place.engine.connect() as connection:
        return connection.execute(select(BREAKERS).where(BREAKERS.c.name == "pricing")).one_or_none()


@pytest.fixture
def served(place: Place) -> Place:
    """The service has reported something bad by its own settings."""
    with Session(place.engine) as session, session.begin():
        CircuitBreaker(session, "pricing", settings=OWN).report_drift(0.9)
    return place


def test_it_counts_by_the_services_own_threshold(served: Place) -> None:
    # Bad by the defaults, good by the service's: it clears the streak.
    done = observe(served, "pricing", "0.4")
    assert done.stdout == "● V2 ON  pricing\n"
    assert "It counts." in done.stderr
    assert state(served).consecutive_failures == 0
    observe(served, "pricing", "0.6")
    assert state(served).consecutive_failures == 1


def test_it_trips_as_the_service_would(served: Place) -> None:
    became = outcome(served, "pricing", "0.6", "--samples", "7", "--details", '{"model": "gpt-4"}')
    assert (became["outcome"], became["breaker"]["serving"]) == ("tripped", "control")
    assert became["settings"] == json.loads(OWN.as_json)
    with Session(served.engine) as session:
        (incident,) = CircuitBreaker(session, "pricing").get_incidents()
        entry = CircuitBreaker(session, "pricing").get_history()[0]
    assert incident.reason == "Drift score 0.6 above 0.5; failure threshold 2 reached"
    assert (incident.sample_count, incident.details) == (7, {"model": "gpt-4", "reported_by": "alice"})
    assert (entry.change, entry.door) == ("trip", "cli")
    found = state(served)
    assert found.opened_at is not None
    assert found.disabled_until == found.opened_at + timedelta(hours=2)
    (alert,) = json.loads(cli("outbox", "list", "--db", served.url, "--json").stdout)["alerts"]
    assert (alert["labels"]["alertname"], alert["labels"]["service"]) == ("PricesOff", "shop")


@pytest.mark.parametrize("arguments", [("0.6",), ("0.1",), ("--schema-errors", "1")], ids=" ".join)
def test_the_services_settings_stay_as_they_are(served: Place, arguments: tuple[str, ...]) -> None:
    before = row(served)
    observe(served, "pricing", *arguments)
    after = row(served)
    assert (after.settings, after.settings_hash) == (before.settings, before.settings_hash) == (OWN.as_json, OWN.hash)
    with Session(served.engine) as session:
        changes = [entry.change.value for entry in CircuitBreaker(session, "pricing").get_history()]
    assert "settings" not in changes


def test_schema_errors_add_up(served: Place) -> None:
    assert outcome(served, "pricing", "--schema-errors", "3")["outcome"] == "counted"
    became = outcome(served, "pricing", "--schema-errors", "1")
    assert (became["outcome"], became["breaker"]["severity"]) == ("tripped", "P3")


def test_an_open_breaker_counts_nothing(served: Place) -> None:
    served.disable("pricing")
    assert outcome(served, "pricing", "0.9")["outcome"] == "off"
    assert "nothing is counted" in observe(served, "pricing", "0.1").stderr


def test_another_generation_counts_nothing(served: Place) -> None:
    assert outcome(served, "pricing", "0.9", "--generation", "3")["outcome"] == "late"
    assert state(served).consecutive_failures == 1
    assert outcome(served, "pricing", "0.9", "--generation", "0")["outcome"] == "tripped"


def test_a_new_name_must_be_meant(served: Place) -> None:
    said = observe(served, "pricng", "0.9", exits=3).stderr
    assert "did you mean 'pricing'?" in said
    assert "--new judges by the defaults" in said
    assert "--new" in observe(served, "pricing", "0.9", "--scope", "gpt-4", exits=3).stderr
    assert outcome(served, "pricing", "0.9", "--scope", "gpt-4", "--new")["outcome"] == "counted"
    assert state(served, "gpt-4").consecutive_failures == 1


def test_what_people_made_carries_no_settings(place: Place) -> None:
    place.disable("pricing")
    place.enable("pricing")
    assert "carries no settings: --new judges by the defaults" in observe(place, "pricing", "0.9", exits=2).stderr
    became = outcome(place, "pricing", "0.3", "--new")
    assert (became["outcome"], became["breaker"]["streak"]) == ("counted", 1)
    assert row(place).settings is None, "the service brings its own"


def test_nothing_bad_of_a_new_name_leaves_no_row(place: Place) -> None:
    became = outcome(place, "pricing", "0.1", "--new")
    assert (became["outcome"], became["breaker"]) == ("nothing", None)
    assert row(place) is None


def test_a_dry_run_changes_nothing(served: Place) -> None:
    before = row(served)
    done = observe(served, "pricing", "0.9", "-n")
    assert "■ V2 OFF" in done.stdout
    assert "This tripped it." in done.stderr
    assert "Nothing was changed" in done.stderr
    assert row(served) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "what is to be reported?"),
        (("nan",), "must be a finite number >= 0, got nan"),
        (("much",), "'much' is not a valid float"),
        (("0.5", "--samples", "0"), "--samples must be an integer from 1 to"),
        (("0.5", "--schema-errors", "-1"), "--schema-errors must be an integer from 0 to"),
        (("0.5", "--generation", "-1"), "generation must be"),
        (("0.5", "--details", "[1]"), "--details takes a JSON object"),
        (("0.5", "--details", "{"), "--details takes a JSON object"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, tuple) else "",
)
def test_what_cannot_be_reported_is_said(served: Place, arguments: tuple[str, ...], message: str) -> None:
    before = row(served)
    done = observe(served, "pricing", *arguments, exits=2)
    assert done.stdout == ""
    assert message in done.stderr
    assert row(served) == before
