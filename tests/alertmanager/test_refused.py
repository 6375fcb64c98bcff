"""What Alertmanager takes and what it refuses: odd names and texts arrive, and a bad alert holds up no other."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from driftbreaker import Alertmanager, AlertSettings, BreakerSettings, Pass
from tests.contract.steps import trip
from tests.support.alertmanagers import AlertmanagerProcess, Pager
from tests.support.worlds import TABLES, World

NAMES = [
    'a "quoted" name',
    "back\\slash, {braces=\"x\"} and 'more'",
    "Preise für Übersee · 価格 · цены · 🐘",
    "line\nbreak\tand tab",
    "  blanks  ",
    "é" * 200,
    "n" * 200,
    "🐘" * 200,
]
REASONS = {
    "long": "because " * 50_000,
    "control characters": "nul \x00, bell \x07, escape \x1b[31m",
    "surrogates": "half \ud83d of an elephant \udc18",
    "many bytes": "🐘" * 20_000,
    "a template": '{{ .Labels.nothing }} {{ define "x" }}',
}


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_odd_names_arrive_as_they_are_and_end_as_they_began(
    world: World, alertmanager: AlertmanagerProcess, pager: Pager, channel: Alertmanager, name: str
) -> None:
    relay = world.relay(channel)
    long = AlertSettings(labels={"l" * 256: "ü" * 256, "_": '"', "Team_1": "a\\b"}, alertname='Über "alles" {}\'')
    with world.committed(name, scope=name[::-1], settings=BreakerSettings(alert=long)) as breaker:
        trip(breaker)
    assert relay.run_once() == Pass(sent=1)
    (alert,) = alertmanager.alerts()
    assert alert["labels"] == world.rows("outbox")[0]["labels"]
    assert (alert["labels"]["circuit_breaker"], alert["labels"]["scope"]) == (name, name[::-1])
    with world.committed(name, scope=name[::-1]) as breaker:
        breaker.enable("on", actor="alice")
    assert relay.run_once() == Pass(sent=1)
    assert not alertmanager.fires()


def test_odd_reasons_cost_no_alert(
    world: World, alertmanager: AlertmanagerProcess, pager: Pager, channel: Alertmanager
) -> None:
    for name, reason in REASONS.items():
        with world.committed(name) as breaker:
            breaker.disable(reason, actor=reason)
    assert world.relay(channel).run_once() == Pass(sent=len(REASONS))
    for alert in alertmanager.alerts():
        assert alert["annotations"]["description"].endswith("Off until enabled by hand.")
        assert len(alert["annotations"]["description"]) < 1_200
    pager.wait(*["firing"] * len(REASONS))


def test_one_bad_alert_of_a_batch_is_parked_and_the_others_fire(
    world: World, alertmanager: AlertmanagerProcess, pager: Pager, channel: Alertmanager
) -> None:
    """Nothing of ours writes such a label: somebody's hand in the table does."""
    names = [f"b{number}" for number in range(7)]
    relay = world.relay(channel)
    for name in names:
        with world.committed(name) as breaker:
            trip(breaker)
    row = TABLES.outbox
    bad = {**world.rows("outbox")[0]["labels"], "circuit_breaker": "b3", "bad-name": "x"}
    with world.outside.begin() as connection:
        connection.execute(update(row).where(row.c.name == "b3").values(labels=bad))
    assert relay.run_once() == Pass(sent=6, parked=1)
    assert relay.run_once() == Pass(), "not hammered"
    told = pager.wait(*["firing"] * 6)
    assert sorted(each.breaker for each in told) == sorted(set(names) - {"b3"})
    (parked,) = [row for row in world.rows("deliveries") if row["parked_version"]]
    assert "answered 400" in parked["last_error"]
    assert "bad-name" in parked["last_error"], "in Alertmanager's own words"
    assert '"bad-name":"x"' in parked["parked_body"].replace('": "', '":"')

    with world.committed("b3") as breaker:
        breaker.enable("on", actor="alice")
    with world.outside.begin() as connection:
        good = {name: value for name, value in bad.items() if name != "bad-name"}
        connection.execute(update(row).where(row.c.name == "b3").values(labels=good))
    assert relay.run_once() == Pass(sent=1), "the next state is sent by itself"
    assert not [row for row in world.rows("deliveries") if row["parked_version"]]
