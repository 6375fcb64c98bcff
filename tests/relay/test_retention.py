"""What is long over goes; what is not, or was refused, stays."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text, update

from driftbreaker import Cadence, Pass
from driftbreaker.testing import ManualClock
from tests.contract.steps import START
from tests.support.inbox import ACCEPTED, DOWN, REFUSED, Inbox
from tests.support.worlds import TABLES, World

A_DAY = timedelta(days=1)


def open_and_close(world: World, clock: ManualClock, relay: object, name: str = "pricing") -> None:
    with world.committed(name, clock=clock) as breaker:
        breaker.disable("off", actor="alice")
    relay.run_once()  # type: ignore[attr-defined]
    with world.committed(name, clock=clock) as breaker:
        breaker.enable("on", actor="alice")
    for _ in range(25):
        relay.run_once()  # type: ignore[attr-defined]
        clock.advance(timedelta(seconds=67))


def test_a_resolved_and_delivered_alert_goes_after_its_time(world: World) -> None:
    clock, inbox = ManualClock(START), Inbox()
    relay = world.relay(inbox, clock=clock, keep=86_400.0)
    open_and_close(world, clock, relay)
    clock.advance(A_DAY - timedelta(hours=1))
    relay.run_once()
    assert (world.count("outbox"), world.count("deliveries")) == (1, 1)
    clock.advance(timedelta(hours=1))
    relay.run_once()
    assert (world.count("outbox"), world.count("deliveries")) == (0, 0)
    assert world.count("incidents") == 1, "incidents are the host's to purge"


def test_a_firing_alert_never_goes(world: World) -> None:
    clock, inbox = ManualClock(START), Inbox()
    relay = world.relay(inbox, clock=clock, keep=1.0)
    with world.committed(clock=clock) as breaker:
        breaker.disable("off", actor="alice")
    relay.run_once()
    clock.advance(timedelta(days=400))
    relay.run_once()
    assert world.count("outbox") == 1


def test_what_nobody_took_never_goes(world: World) -> None:
    clock, inbox = ManualClock(START), Inbox(answer=DOWN)
    relay = world.relay(inbox, clock=clock, keep=1.0)
    open_and_close(world, clock, relay)
    clock.advance(timedelta(days=400))
    relay.run_once()
    assert world.count("outbox") == 1
    inbox.answer = ACCEPTED
    clock.advance(timedelta(minutes=2))
    assert relay.run_once().sent == 1


@pytest.mark.parametrize(
    ("heard", "cadence"),
    [
        ("the beginning", Cadence.STATE),
        ("all of it", Cadence.STATE),
        # What is to be said once is not due again: the end that was not heard yet keeps it.
        ("the beginning", Cadence.MESSAGE),
    ],
)
def test_a_channel_that_is_gone_keeps_an_alert_for_a_month(world: World, heard: str, cadence: Cadence) -> None:
    clock, kept, gone = ManualClock(START), Inbox("kept"), Inbox("gone", cadence)
    relay = world.relay(kept, clock=clock, keep=1.0)
    with world.committed(clock=clock) as breaker:
        breaker.disable("off", actor="alice")
    world.relay(kept, gone, clock=clock).run_once()
    with world.committed(clock=clock) as breaker:
        breaker.enable("on", actor="alice")
    if heard == "all of it":
        world.relay(gone, clock=clock).run_once()
    for _ in range(25):
        relay.run_once()
        clock.advance(timedelta(seconds=67))
    clock.advance(timedelta(days=29))
    relay.run_once()
    assert world.count("outbox") == 1
    clock.advance(timedelta(days=1))
    relay.run_once()
    assert (world.count("outbox"), world.count("deliveries")) == (0, 0)


def test_what_no_channel_has_seen_never_goes(world: World) -> None:
    clock = ManualClock(START)
    open_and_close(world, clock, world.relay(clock=clock, keep=1.0))
    clock.advance(timedelta(days=400))
    world.relay(clock=clock, keep=1.0).run_once()
    assert world.count("outbox") == 1


def test_a_refused_alert_stays_for_a_week(world: World) -> None:
    clock, inbox = ManualClock(START), Inbox(answer=REFUSED)
    relay = world.relay(inbox, clock=clock, keep=1.0)
    open_and_close(world, clock, relay)
    clock.advance(timedelta(days=6, hours=20))
    relay.run_once()
    assert world.count("deliveries") == 1
    clock.advance(timedelta(hours=4))
    relay.run_once()
    assert (world.count("outbox"), world.count("deliveries")) == (0, 0)


def test_what_a_relay_is_sending_is_kept_until_its_lease_ends(world: World) -> None:
    clock = ManualClock(START)
    open_and_close(world, clock, world.relay(Inbox(), clock=clock))
    clock.advance(timedelta(days=40))
    with world.outside.begin() as connection:
        connection.execute(update(TABLES.deliveries).values(lease="somebody", lease_until=clock.now() + A_DAY))
    world.relay(clock=clock, keep=1.0).run_once()
    assert world.count("outbox") == 1
    clock.advance(2 * A_DAY)
    world.relay(clock=clock, keep=1.0).run_once()
    assert (world.count("outbox"), world.count("deliveries")) == (0, 0)


def test_an_alert_that_went_begins_anew(world: World) -> None:
    clock, inbox = ManualClock(START), Inbox()
    relay = world.relay(inbox, clock=clock, keep=1.0)
    open_and_close(world, clock, relay)
    clock.advance(A_DAY)
    relay.run_once()
    assert world.count("outbox") == 0
    inbox.alerts.clear()
    with world.committed(clock=clock) as breaker:
        breaker.disable("again", actor="alice")
    assert relay.run_once() == Pass(sent=1)
    assert inbox.reasons == ["again"]


def test_a_breaker_that_somebody_holds_is_pruned_another_time(postgres_world: World) -> None:
    world, clock = postgres_world, ManualClock(START)
    relay = world.relay(Inbox(), clock=clock, keep=1.0)
    open_and_close(world, clock, relay)
    assert world.count("outbox") == 0
    relay = world.relay(Inbox(), clock=clock, keep=86_400.0)
    open_and_close(world, clock, relay)
    clock.advance(2 * A_DAY)
    with world.outside.begin() as holder:
        holder.execute(text("SELECT 1 FROM driftbreaker_breakers FOR UPDATE"))
        relay.run_once()
        assert world.count("outbox") == 1
    relay.run_once()
    assert world.count("outbox") == 0


def test_a_thousand_go_in_batches(world: World) -> None:
    clock, inbox = ManualClock(START), Inbox()
    relay = world.relay(inbox, clock=clock, keep=1.0)
    open_and_close(world, clock, relay)
    with world.committed(clock=clock) as breaker:
        breaker.disable("off", actor="alice")
    relay.run_once()
    with world.outside.begin() as connection:
        for number in range(1_100):
            connection.execute(
                text(
                    "INSERT INTO driftbreaker_outbox (identity, name, scope, labels, incident_id, state, starts_at, "
                    "ends_at, version, changed_at) SELECT :id, name, scope, labels, incident_id, 'resolved', "
                    "starts_at, starts_at, 1, changed_at FROM driftbreaker_outbox WHERE state = 'firing'"
                ),
                {"id": f"x{number}"},
            )
        connection.execute(
            text(
                "INSERT INTO driftbreaker_deliveries (identity, channel, version_seen, version_sent) "
                "SELECT identity, 'inbox', 1, 1 FROM driftbreaker_outbox WHERE state = 'resolved'"
            )
        )
    clock.advance(A_DAY)
    relay.run_once()
    assert world.count("outbox") == 1


@pytest.mark.parametrize("held", [True, False])
def test_an_incident_that_was_held_when_its_alert_was_taken_is_marked_later(postgres_world: World, held: bool) -> None:
    world, inbox = postgres_world, Inbox()
    relay = world.relay(inbox)
    with world.committed() as breaker:
        breaker.disable("off", actor="alice")
    with world.outside.begin() as holder:
        if held:
            holder.execute(text("SELECT 1 FROM driftbreaker_incidents FOR UPDATE"))
        assert relay.run_once() == Pass(sent=1), "nobody is waited for"
        assert (world.rows("incidents")[0]["alert_sent_at"] is None) is held
    relay.run_once()
    assert world.rows("incidents")[0]["alert_sent_at"] is not None
