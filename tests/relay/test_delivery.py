"""What was committed is sent, as it is now, and again while it lasts."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from driftbreaker import Alert, AlertSettings, BreakerSettings, Cadence, CircuitBreaker, Outcome, Pass
from driftbreaker.testing import ManualClock
from tests.contract.steps import START, trip
from tests.support.inbox import ACCEPTED, DOWN, REFUSED, Inbox, PlainInbox
from tests.support.worlds import World

MINUTE = timedelta(minutes=1)
QUARTER = timedelta(minutes=15)


def test_a_pass_over_nothing_is_one_read_per_channel(world: World) -> None:
    relay = world.relay(Inbox())
    relay.run_once()
    with world.watch() as seen:
        assert relay.run_once() == Pass()
    assert len([text for text in seen.statements if "deliveries" in text and "outbox" in text]) <= 2
    assert not [text for text in seen.statements if text.lstrip().upper().startswith(("INSERT", "UPDATE", "DELETE"))]


def test_a_trip_is_sent_once_until_it_is_due_again(world: World) -> None:
    inbox = Inbox()
    relay = world.relay(inbox)
    with world.committed() as breaker:
        incident = trip(breaker)
    assert relay.run_once() == Pass(sent=1)
    assert relay.run_once() == Pass()
    (alert,) = inbox.alerts
    assert alert.firing
    assert alert.incident.id == incident.id
    assert alert.starts_at == incident.timestamp
    assert alert.labels["circuit_breaker"] == "pricing"
    assert alert.labels["severity"] == "critical"


def test_what_was_rolled_back_is_never_sent(world: World) -> None:
    inbox = Inbox()
    with world.session() as session:
        trip(world.breaker(session))
        session.rollback()
    assert world.relay(inbox).run_once() == Pass()
    assert inbox.alerts == []


def test_a_firing_alert_is_sent_again_each_interval(world: World) -> None:
    clock, inbox = ManualClock(START), Inbox()
    relay = world.relay(inbox, clock=clock, resend_interval=60.0)
    with world.committed(clock=clock) as breaker:
        breaker.disable("off", actor="alice")
    for _ in range(5):
        relay.run_once()
        clock.advance(timedelta(seconds=50))
        assert relay.run_once() == Pass(), "give or take a tenth"
        clock.advance(timedelta(seconds=17))
    assert len(inbox.alerts) == 5
    assert {alert.starts_at for alert in inbox.alerts} == {START}
    assert {tuple(sorted(alert.labels.items())) for alert in inbox.alerts} == {
        tuple(sorted(inbox.alerts[0].labels.items()))
    }


def test_a_resolve_has_the_labels_and_the_start_of_what_it_ends(world: World) -> None:
    inbox = Inbox()
    relay = world.relay(inbox)
    with world.committed() as breaker:
        trip(breaker)
    relay.run_once()
    with world.committed() as breaker:
        breaker.enable("fixed", actor="alice")
    relay.run_once()
    fire, resolve = inbox.alerts
    assert [fire.firing, resolve.firing] == [True, False]
    assert (fire.labels, fire.starts_at, fire.identity) == (resolve.labels, resolve.starts_at, resolve.identity)
    assert resolve.ends_at is not None
    assert resolve.ends_at >= resolve.starts_at
    assert resolve.description == "Ended by alice: fixed."


def test_a_resolve_is_repeated_for_a_quarter_of_an_hour(world: World) -> None:
    clock, inbox = ManualClock(START), Inbox()
    relay = world.relay(inbox, clock=clock)
    with world.committed(clock=clock) as breaker:
        breaker.disable("off", actor="alice")
    relay.run_once()
    with world.committed(clock=clock) as breaker:
        breaker.enable("on", actor="alice")
    sent_at = []
    for second in range(1500):
        if relay.run_once().sent:
            sent_at.append(second)
        if second > 25:
            clock.advance(timedelta(seconds=5))
            if clock.now() - START > timedelta(minutes=25):
                break
        else:
            clock.advance(timedelta(seconds=1))
    assert sent_at[:3] == [0, 5, 20], "at once, after 5 s, after 15 s more"
    assert 15 <= len(sent_at) <= 19, "then each minute for a quarter of an hour"
    assert world.rows("deliveries")[0]["next_at"] is None


def test_a_new_opening_supersedes_what_is_left_of_the_resolve(world: World) -> None:
    """A resolve of the first, sent again, would silence the second: they share their labels."""
    clock, inbox = ManualClock(START), Inbox()
    relay = world.relay(inbox, clock=clock)
    for reason in ("first", "second"):
        with world.committed(clock=clock) as breaker:
            breaker.disable(reason, actor="alice")
        relay.run_once()
        if reason == "first":
            with world.committed(clock=clock) as breaker:
                breaker.enable("on", actor="alice")
            relay.run_once()
        clock.advance(timedelta(seconds=3))
    for _ in range(20):
        clock.advance(timedelta(seconds=66))
        relay.run_once()
    assert inbox.states[:3] == ["firing", "resolved", "firing"]
    assert set(inbox.states[2:]) == {"firing"}
    assert inbox.alerts[-1].starts_at == START + timedelta(seconds=3)


def test_a_superseded_incident_with_equal_labels_keeps_the_alert_firing(world: World) -> None:
    inbox = Inbox()
    relay = world.relay(inbox)
    for reason in ("first", "second"):
        with world.committed() as breaker:
            breaker.disable(reason, actor="alice")
        relay.run_once()
    assert inbox.states == ["firing", "firing"]
    assert inbox.reasons == ["first", "second"]
    assert inbox.alerts[0].starts_at == inbox.alerts[1].starts_at


def test_a_superseded_incident_with_other_labels_is_resolved_and_the_new_one_fires(world: World) -> None:
    inbox = Inbox()
    relay = world.relay(inbox)
    with world.committed() as breaker:
        trip(breaker)
    relay.run_once()
    with world.committed() as breaker:
        breaker.disable("by hand", actor="alice")
    relay.run_once()
    after = {alert.labels["severity"]: alert.state.value for alert in inbox.alerts[1:]}
    assert after == {"critical": "resolved", "warning": "firing"}


def test_an_incident_says_when_the_first_channel_took_its_alert(world: World) -> None:
    clock = ManualClock(START)
    slow = Inbox("slow", answer=DOWN)
    relay = world.relay(slow, Inbox("quick"), clock=clock)
    with world.committed(clock=clock) as breaker:
        breaker.disable("off", actor="alice")
        assert breaker.get_incidents()[0].alert_sent is False
    clock.advance(timedelta(seconds=2))
    relay.run_once()
    clock.advance(MINUTE)
    slow.answer = Inbox().answer
    relay.run_once()
    with world.committed(clock=clock) as breaker:
        (incident,) = breaker.get_incidents()
    assert incident.alert_sent is True
    assert incident.alert_sent_at == START + timedelta(seconds=2)


def test_an_alert_that_nobody_took_is_not_said_to_be_sent(world: World) -> None:
    with world.committed() as breaker:
        breaker.disable("off", actor="alice")
    assert world.relay(Inbox(answer=DOWN)).run_once() == Pass(failed=1)
    assert world.rows("incidents")[0]["alert_sent_at"] is None


def test_only_the_last_state_is_sent(world: World) -> None:
    """Fired and ended between two passes: Alertmanager is told the end, which it may ignore."""
    inbox = Inbox()
    for turn in range(3):
        with world.committed() as breaker:
            breaker.disable(f"off {turn}", actor="alice")
            breaker.enable("on", actor="alice")
    assert world.relay(inbox).run_once() == Pass(sent=1)
    assert inbox.states == ["resolved"]


def test_a_pass_writes_the_recovery_of_an_expired_breaker_and_sends_it(world: World) -> None:
    clock, inbox = ManualClock(START), Inbox()
    relay = world.relay(inbox, clock=clock)
    names = [f"b{number}" for number in range(3)]
    for name in names:
        with world.committed(name, clock=clock, settings=BreakerSettings(ttl=MINUTE)) as breaker:
            trip(breaker)
    relay.run_once()
    clock.advance(timedelta(seconds=61))
    assert relay.run_once() == Pass(swept=3, sent=3)
    assert inbox.states == ["firing"] * 3 + ["resolved"] * 3
    assert {alert.ends_at for alert in inbox.alerts} == {START + MINUTE}
    assert {row["status"] for row in world.rows("breakers")} == {"closed"}
    assert {row["resolved_by"] for row in world.rows("incidents")} == {"system-auto-recover"}
    assert [row["door"] for row in world.rows("history") if row["change"] == "recover"] == ["relay"] * 3


def test_a_firing_alert_whose_end_has_passed_is_never_sent(postgres_world: World) -> None:
    """Its recovery is not written, for somebody holds the breaker: there is nothing true to say."""
    world, clock, inbox = postgres_world, ManualClock(START), Inbox()
    relay = world.relay(inbox, clock=clock)
    with world.committed(clock=clock, settings=BreakerSettings(ttl=MINUTE)) as breaker:
        trip(breaker)
    clock.advance(2 * MINUTE)
    with world.outside.begin() as holder:
        holder.exec_driver_sql("SELECT 1 FROM driftbreaker_breakers FOR UPDATE")
        assert relay.run_once() == Pass()
    assert inbox.alerts == []
    assert relay.run_once() == Pass(swept=1, sent=1)
    assert inbox.states == ["resolved"]


def test_a_held_breaker_says_by_whom_and_until_when(world: World) -> None:
    clock, inbox = ManualClock(START), Inbox()
    relay = world.relay(inbox, clock=clock)
    with world.committed(clock=clock) as breaker:
        trip(breaker)
    relay.run_once()
    with world.committed(clock=clock) as breaker:
        breaker.hold("until the morning", actor="alice", until=START + timedelta(hours=8))
    relay.run_once()
    tripped, held = inbox.alerts
    assert tripped.identity == held.identity
    assert "Held by alice until 2026-01-01 20:00:00 UTC." in held.description
    assert held.ends_at == START + timedelta(hours=8)


def test_a_hand_made_disable_says_that_it_does_not_end_by_itself(world: World) -> None:
    inbox = Inbox()
    with world.committed() as breaker:
        breaker.disable("bad prices", actor="alice")
    world.relay(inbox).run_once()
    assert inbox.alerts[0].ends_at is None
    assert inbox.alerts[0].description == "bad prices. Off until enabled by hand."


def test_links_and_static_labels_come_with_the_alert(world: World) -> None:
    alert = AlertSettings(labels={"service": "shop"}, runbook_url="https://run.book/x", generator_url="https://g.en/")
    inbox = Inbox()
    with world.committed(scope="gpt-4", settings=BreakerSettings(alert=alert)) as breaker:
        breaker.disable("off", actor="alice")
    world.relay(inbox).run_once()
    (sent,) = inbox.alerts
    assert (sent.labels["service"], sent.labels["scope"]) == ("shop", "gpt-4")
    assert (sent.runbook_url, sent.generator_url) == ("https://run.book/x", "https://g.en/")
    assert sent.summary == "Candidate OFF, serving control: pricing (gpt-4)"


def test_a_refused_alert_is_parked_with_its_body_and_the_next_state_is_sent(world: World) -> None:
    clock, inbox = ManualClock(START), Inbox(answer=REFUSED)
    relay = world.relay(inbox, clock=clock)
    with world.committed(clock=clock) as breaker:
        breaker.disable("off", actor="alice")
    assert relay.run_once() == Pass(parked=1)
    clock.advance(timedelta(hours=1))
    assert relay.run_once() == Pass(), "not hammered"
    (row,) = world.rows("deliveries")
    assert (row["parked_version"], row["parked_body"]) == (1, REFUSED.body)
    assert "bad label" in row["last_error"]
    inbox.answer = Inbox().answer
    with world.committed(clock=clock) as breaker:
        breaker.enable("on", actor="alice")
    assert relay.run_once() == Pass(sent=1)
    (row,) = world.rows("deliveries")
    assert (row["parked_version"], row["parked_body"], row["last_error"]) == (None, None, None)


@pytest.mark.parametrize("kind", [Inbox, PlainInbox])
def test_a_channel_may_be_async_or_plain(world: World, kind: type[Inbox]) -> None:
    inbox = kind()
    with world.committed() as breaker:
        breaker.disable("off", actor="alice")
    assert world.relay(inbox).run_once() == Pass(sent=1)
    assert inbox.states == ["firing"]


def test_people_get_one_message_when_it_fires_and_one_when_it_is_over(world: World) -> None:
    clock, inbox = ManualClock(START), Inbox(cadence=Cadence.MESSAGE)
    relay = world.relay(inbox, clock=clock)
    with world.committed(clock=clock) as breaker:
        trip(breaker)
    for _ in range(3):
        relay.run_once()
        clock.advance(5 * MINUTE)
    with world.committed(clock=clock) as breaker:
        breaker.hold("looking at it", actor="alice", until=START + timedelta(hours=8))
    relay.run_once()
    with world.committed(clock=clock) as breaker:
        breaker.enable("on", actor="alice")
    for _ in range(3):
        relay.run_once()
        clock.advance(5 * MINUTE)
    assert inbox.states == ["firing", "resolved"]


def test_people_are_not_told_the_end_of_what_they_never_heard_of(world: World) -> None:
    inbox = Inbox(cadence=Cadence.MESSAGE)
    with world.committed() as breaker:
        breaker.disable("off", actor="alice")
        breaker.enable("on", actor="alice")
    relay = world.relay(inbox)
    assert relay.run_once() == Pass()
    assert relay.run_once() == Pass()
    assert inbox.alerts == []


def test_records_miss_no_incident_however_late_the_relay(world: World) -> None:
    inbox = Inbox(cadence=Cadence.RECORD)
    relay = world.relay(inbox)
    for turn in range(3):
        with world.committed() as breaker:
            breaker.disable(f"off {turn}", actor="alice")
        with world.committed() as breaker:
            breaker.enable("on", actor="alice")
    relay.run_once()
    (alert,) = inbox.alerts
    assert [each.reason for each in alert.earlier] == ["off 0", "off 1"]
    assert alert.incident.reason == "off 2"
    with world.committed() as breaker:
        breaker.disable("off 3", actor="alice")
    relay.run_once()
    assert [each.reason for each in inbox.alerts[1].earlier] == ["off 2"], "written as resolved already, told again"


def test_channels_are_told_apart(world: World) -> None:
    up, down = Inbox("up"), Inbox("down", answer=DOWN)
    relay = world.relay(up, down)
    with world.committed() as breaker:
        breaker.disable("off", actor="alice")
    assert relay.run_once() == Pass(sent=1, failed=1)
    rows = {row["channel"]: row for row in world.rows("deliveries")}
    assert rows["up"]["version_sent"] == 1
    assert rows["down"]["version_sent"] == 0
    assert rows["down"]["last_error"] == "the receiver is down"


def test_big_backlogs_are_sent_in_batches_oldest_first(world: World) -> None:
    clock, inbox = ManualClock(START), Inbox()
    for number in range(25):
        with world.committed(f"b{number:02}", clock=clock) as breaker:
            breaker.disable("off", actor="alice")
        clock.advance(timedelta(seconds=1))
    assert world.relay(inbox, batch=10, clock=clock).run_once() == Pass(sent=25)
    assert inbox.batches == [10, 10, 5]
    assert [alert.name for alert in inbox.alerts] == [f"b{number:02}" for number in range(25)]


def test_a_recovery_that_is_written_days_after_its_time_is_news_then(world: World) -> None:
    """Dated at the breaker's end, found by when it was written."""
    clock, inbox = ManualClock(START), Inbox()
    with world.committed(clock=clock, settings=BreakerSettings(ttl=MINUTE)) as breaker:
        trip(breaker)
    clock.advance(timedelta(days=3))
    with world.committed(clock=clock) as breaker:
        breaker.reset("looked at it", actor="alice")
    (row,) = world.rows("outbox")
    assert (row["ends_at"], row["changed_at"]) == (START + MINUTE, START + timedelta(days=3))
    assert world.relay(inbox, clock=clock).run_once() == Pass(sent=1)


def test_a_pass_ends_though_its_first_alert_is_due_again_before_its_last_is_sent(world: World) -> None:
    """Or nobody could stop a relay whose receiver takes longer over all alerts than it is until they are said again."""
    clock = ManualClock(START)

    def slowly(_: Alert) -> Outcome:
        clock.advance(timedelta(seconds=70))
        return ACCEPTED if len(inbox.alerts) < 20 else DOWN

    inbox = Inbox(answer=slowly)
    for name in ("first", "second", "third"):
        with world.committed(name, clock=clock) as breaker:
            breaker.disable("off", actor="alice")
        clock.advance(timedelta(seconds=1))
    relay = world.relay(inbox, batch=1, clock=clock, resend_interval=60.0, lease=3_600.0)
    assert relay.run_once() == Pass(sent=4)
    assert [alert.name for alert in inbox.alerts] == ["first", "second", "third", "first"]


def test_what_changes_while_a_pass_sends_is_sent_by_it_too(world: World) -> None:
    def closing(alert: Alert) -> Outcome:
        if alert.firing:
            with world.outside.connect() as connection, Session(connection) as session:
                CircuitBreaker(session, alert.name).enable("fixed", actor="alice")
                session.commit()
        return ACCEPTED

    inbox = Inbox(answer=closing)
    with world.committed() as breaker:
        breaker.disable("off", actor="alice")
    assert world.relay(inbox).run_once() == Pass(sent=2)
    assert inbox.states == ["firing", "resolved"]
