"""What is open fires, once for each label set, and goes on firing whatever happens to Alertmanager or to us."""

from __future__ import annotations

import pytest

from driftbreaker import Alertmanager, AlertSettings, BreakerSettings, Pass, Relay, Severity
from tests.contract.steps import BAD, trip
from tests.support.alertmanagers import RESOLVE_TIMEOUT, AlertmanagerProcess, Pager, always, eventually
from tests.support.worlds import World

RESEND = 0.3


def test_a_trip_is_one_firing_alert_and_one_notification(
    world: World, alertmanager: AlertmanagerProcess, pager: Pager, channel: Alertmanager
) -> None:
    relay = world.relay(channel)
    with world.committed() as breaker:
        incident = trip(breaker)
    assert relay.run_once() == Pass(sent=1)
    (alert,) = alertmanager.alerts()
    assert alert["labels"] == world.rows("outbox")[0]["labels"]
    assert alert["annotations"]["incident_id"] == incident.id
    (told,) = pager.wait("firing")
    assert told.fingerprint == alert["fingerprint"]
    assert told.annotations["summary"] == "Candidate OFF, serving control: pricing"
    assert world.rows("incidents")[0]["alert_sent_at"] is not None


def test_what_was_rolled_back_is_never_seen(
    world: World, alertmanager: AlertmanagerProcess, pager: Pager, channel: Alertmanager
) -> None:
    with Relay(world.engine, [channel], poll=0.1), world.session() as session:
        trip(world.breaker(session))
        session.rollback()
    assert alertmanager.received("firing") == 0
    assert not alertmanager.fires()
    assert pager.states() == []


def test_it_fires_on_for_as_long_as_it_lasts_and_is_notified_once(
    world: World, alertmanager: AlertmanagerProcess, pager: Pager, channel: Alertmanager
) -> None:
    with Relay(world.engine, [channel], poll=0.1, resend_interval=RESEND):
        with world.committed() as breaker:
            breaker.disable("off", actor="alice")
        eventually(alertmanager.fires, "it fires")
        always(alertmanager.fires, "it fires", 3 * RESOLVE_TIMEOUT)
        assert alertmanager.received("firing") >= 5, "it is sent again and again"
        pager.wait("firing")


@pytest.mark.parametrize("kill", [False, True], ids=["restarted", "killed"])
def test_an_alertmanager_that_forgot_everything_is_told_again(
    world: World, alertmanager: AlertmanagerProcess, pager: Pager, channel: Alertmanager, kill: bool
) -> None:
    with Relay(world.engine, [channel], poll=0.1, resend_interval=RESEND):
        with world.committed() as breaker:
            breaker.disable("off", actor="alice")
        eventually(alertmanager.fires, "it fires")
        pager.wait("firing")
        alertmanager.restart(kill=kill)
        eventually(alertmanager.fires, "it fires again")
        always(alertmanager.fires, "it fires", 1.2 * RESOLVE_TIMEOUT)
        with world.committed() as breaker:
            breaker.enable("on", actor="alice")
        eventually(lambda: not alertmanager.fires(), "it is over")
        # What it notified lies on disk, and a kill may come before that: then a person is told again.
        pager.wait(*(["firing", "firing", "resolved"] if kill else ["firing", "resolved"]))


def test_what_does_not_end_by_itself_fires_on_though_every_sender_is_dead(
    world: World, alertmanager: AlertmanagerProcess, pager: Pager, channel: Alertmanager
) -> None:
    with world.committed() as breaker:
        breaker.disable("off", actor="alice")
    assert world.relay(channel).run_once() == Pass(sent=1)
    always(alertmanager.fires, "it fires", 2 * RESOLVE_TIMEOUT)
    assert pager.states() == ["firing"]


def test_two_scopes_are_two_alerts(
    world: World, alertmanager: AlertmanagerProcess, pager: Pager, channel: Alertmanager
) -> None:
    relay = world.relay(channel)
    for scope in ("", "gpt-4"):
        with world.committed(scope=scope) as breaker:
            trip(breaker)
    assert relay.run_once() == Pass(sent=2)
    pager.wait("firing", "firing")
    with world.committed(scope="gpt-4") as breaker:
        breaker.enable("on", actor="alice")
    assert relay.run_once() == Pass(sent=1)
    assert pager.wait("firing", "firing", "resolved")[2].labels["scope"] == "gpt-4"
    (alert,) = alertmanager.alerts()
    assert "scope" not in alert["labels"]


def test_the_severity_says_how_it_opened(
    world: World, alertmanager: AlertmanagerProcess, pager: Pager, channel: Alertmanager
) -> None:
    renamed = BreakerSettings(alert=AlertSettings(severities=dict.fromkeys(Severity, "page")))
    with world.committed("drifts") as breaker:
        trip(breaker)
    with world.committed("by hand") as breaker:
        breaker.disable("off", actor="alice")
    with world.committed("malformed") as breaker:
        breaker.report_schema_error(5)
    with world.committed("renamed", settings=renamed) as breaker:
        trip(breaker)
    assert world.relay(channel).run_once() == Pass(sent=4)
    pager.wait(*["firing"] * 4)
    assert {told.breaker: (told.labels["priority"], told.labels["severity"]) for told in pager.notifications()} == {
        "drifts": ("P1", "critical"),
        "by hand": ("P2", "warning"),
        "malformed": ("P3", "info"),
        "renamed": ("P1", "page"),
    }
    assert len(alertmanager.alerts()) == 4


def test_more_bad_reports_on_an_open_breaker_tell_nobody_anything(
    world: World, alertmanager: AlertmanagerProcess, pager: Pager, channel: Alertmanager
) -> None:
    relay = world.relay(channel)
    with world.committed() as breaker:
        trip(breaker)
    relay.run_once()
    with world.committed() as breaker:
        for _ in range(10):
            breaker.report_drift(BAD)
    assert relay.run_once() == Pass()
    assert alertmanager.received("firing") == 1
    pager.wait("firing")
