"""Receivers that are down, slow or wrong: nothing is lost, nothing is hammered, nobody else waits."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from driftbreaker import Alert, Event, Outcome, Pass, Result, listen
from driftbreaker.testing import ManualClock
from tests.contract.steps import START
from tests.support.background import arrives, in_background, rest
from tests.support.inbox import ACCEPTED, DOWN, REFUSED, Inbox
from tests.support.worlds import World


class Broken(Inbox):
    """Does something that no channel should."""

    def __init__(self, conduct: Any) -> None:
        super().__init__("broken")
        self._conduct = conduct

    async def send(self, alerts: Sequence[Alert]) -> Any:
        return await self._conduct(alerts)


async def _raise(_: Any) -> None:
    raise KeyError("no such thing")


async def _too_few(_: Any) -> list[Outcome]:
    return []


async def _nonsense(_: Any) -> str:
    return "ok"


async def _hang(_: Any) -> None:
    await asyncio.sleep(3600)


def off(world: World, name: str = "pricing", **options: Any) -> None:
    with world.committed(name, **options) as breaker:
        breaker.disable("off", actor="alice")


@pytest.mark.parametrize("conduct", [_raise, _too_few, _nonsense])
def test_a_channel_that_misbehaves_loses_nothing_and_disturbs_no_other(world: World, conduct: Any) -> None:
    inbox = Inbox()
    off(world)
    assert world.relay(Broken(conduct), inbox).run_once() == Pass(sent=1, failed=1)
    rows = {row["channel"]: row for row in world.rows("deliveries")}
    assert rows["broken"]["last_error"]
    assert rows["broken"]["lease"] is None
    assert rows["inbox"]["version_sent"] == 1


def test_a_channel_that_hangs_is_given_up_within_its_lease(world: World) -> None:
    off(world)
    begun = time.monotonic()
    assert world.relay(Broken(_hang), lease=0.4).run_once() == Pass(failed=1)
    assert time.monotonic() - begun < 5
    assert "lease" in world.rows("deliveries")[0]["last_error"]


def test_a_channel_that_hangs_delays_no_other_in_the_background(world: World) -> None:
    inbox = Inbox()
    with in_background(world, Broken(_hang), inbox, lease=2.0):
        for number in range(3):
            off(world, f"b{number}")
            assert arrives(world, inbox, number + 1)


def test_failures_back_off_with_the_attempts_and_end_with_the_first_success(world: World) -> None:
    clock, inbox = ManualClock(START), Inbox(answer=DOWN)
    relay = world.relay(inbox, clock=clock)
    off(world, clock=clock)
    for attempts in range(1, 6):
        assert relay.run_once() == Pass(failed=1)
        (row,) = world.rows("deliveries")
        assert row["attempts"] == attempts
        assert row["next_at"] <= clock.now() + timedelta(seconds=2 ** (attempts - 1))
        clock.advance(timedelta(seconds=61))
    inbox.answer = ACCEPTED
    assert relay.run_once() == Pass(sent=1)
    (row,) = world.rows("deliveries")
    assert (row["attempts"], row["last_error"]) == (0, None)


def test_a_refusal_counts_as_an_attempt_too(world: World) -> None:
    clock, inbox = ManualClock(START), Inbox(answer=DOWN)
    relay = world.relay(inbox, clock=clock)
    off(world, clock=clock)
    for _ in range(3):
        relay.run_once()
        clock.advance(timedelta(seconds=61))
    inbox.answer = REFUSED
    assert relay.run_once() == Pass(parked=1)
    (row,) = world.rows("deliveries")
    assert (row["attempts"], row["next_at"]) == (4, None)


def test_retry_after_is_honoured(world: World) -> None:
    clock = ManualClock(START)
    busy = Inbox(answer=Outcome(result=Result.FAILED, error="429", retry_after=600.0))
    relay = world.relay(busy, clock=clock)
    off(world, clock=clock)
    assert relay.run_once() == Pass(failed=1)
    clock.advance(timedelta(seconds=590))
    assert relay.run_once() == Pass()
    clock.advance(timedelta(seconds=11))
    assert relay.run_once() == Pass(failed=1)


def test_tries_within_a_pass_repeat_only_what_failed(world: World) -> None:
    flaky = iter([DOWN, DOWN, ACCEPTED])
    inbox = Inbox(answer=lambda alert: next(flaky) if alert.name == "flaky" else ACCEPTED)
    off(world, "flaky")
    off(world, "solid")
    assert world.relay(inbox, tries=3, retry_base=0.01).run_once() == Pass(sent=2)
    assert sorted(alert.name for alert in inbox.alerts) == ["flaky", "flaky", "flaky", "solid"]


def test_a_receiver_that_is_down_is_asked_once_a_pass_whatever_the_backlog(world: World) -> None:
    inbox = Inbox(answer=DOWN)
    for number in range(30):
        off(world, f"b{number}")
    assert world.relay(inbox, batch=10).run_once() == Pass(failed=10)
    assert inbox.batches == [10]


def test_a_day_of_outage_is_drained_in_order_and_once(world: World) -> None:
    """Fires, ends and fires again while the receiver is away for a day: what is true then is sent, once per alert."""
    clock, inbox = ManualClock(START), Inbox(answer=DOWN)
    relay = world.relay(inbox, clock=clock)
    for hour in range(24):
        name = f"b{hour % 4}"
        with world.committed(name, clock=clock) as breaker:
            if not breaker.enable("on", actor="alice"):
                breaker.disable(f"off at {hour}", actor="alice")
        relay.run_once()
        clock.advance(timedelta(hours=1))
    inbox.answer = ACCEPTED
    inbox.alerts.clear()
    while relay.run_once() != Pass():
        pass
    fires = {alert.name for alert in inbox.alerts if alert.firing}
    with world.session() as session:
        assert fires == {f"b{n}" for n in range(4) if world.breaker(session, f"b{n}", clock=clock).is_open()}
    assert len(inbox.alerts) == 4, "one per label set, not one per change"


def test_an_outage_is_one_warning_and_one_all_clear(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "driftbreaker")
    events: list[Event] = []
    remove = listen(events.append)
    inbox = Inbox(answer=DOWN)
    with in_background(world, inbox, poll=0.02, retry_base=0.01, resend_interval=0.05):
        off(world)
        assert arrives(world, inbox, 4)
        inbox.answer = ACCEPTED
        assert arrives(world, inbox, len(inbox.alerts) + 3)
    remove()
    assert [record.message.split(":")[1].strip() for record in caplog.records] == [
        "the relay's channel 'inbox' is failing, nothing is lost",
        "the relay's channel 'inbox' works again",
    ]
    assert [event.kind for event in events if event.kind.startswith("relay")] == ["relay_failing", "relay_restored"]
    assert [event.kind for event in events if event.kind.startswith("alert")] == ["alert_sent"]


def rename(world: World, old: str, new: str) -> None:
    """Rename a table while the relay goes on: a paused event loop would hold its transaction open for ever."""

    def rename() -> None:
        with world.outside.begin() as connection:
            connection.exec_driver_sql(f"ALTER TABLE {old} RENAME TO {new}")

    world.runner.run(asyncio.to_thread(rename))


def test_a_database_that_goes_away_and_comes_back_is_an_event_not_the_relays_end(
    postgres_world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world, inbox = postgres_world, Inbox()
    with in_background(world, inbox, poll=0.02, retry_base=0.01, resend_interval=0.1):
        rename(world, "driftbreaker_deliveries", "hidden")
        rest(world, 0.3)
        rename(world, "hidden", "driftbreaker_deliveries")
        off(world)
        assert arrives(world, inbox)
    said = [record.message.partition(", ")[0] for record in caplog.records]
    assert said == ["driftbreaker: the relay's database is failing", "driftbreaker: the relay's database works again"]


def test_callers_are_not_slowed_by_a_receiver_that_hangs(world: World) -> None:
    with in_background(world, Broken(_hang), lease=0.5):
        begun = time.monotonic()
        for number in range(5):
            off(world, f"b{number}")
        assert time.monotonic() - begun < 5


def test_missing_tables_are_an_error_that_says_what_creates_them(world: World) -> None:
    with world.outside.begin() as connection:
        connection.exec_driver_sql("DROP TABLE driftbreaker_deliveries")
    with pytest.raises(DBAPIError) as caught:
        world.relay(Inbox()).run_once()
    assert "driftbreaker.metadata.create_all(engine)" in "".join(caught.value.__notes__)
