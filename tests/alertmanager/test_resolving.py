"""What is over is resolved: the same alert, once, in the end whatever the clocks and the stalled relays do."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from driftbreaker import Alert, Alertmanager, BreakerSettings, Cadence, Outcome, Pass, Relay
from tests.contract.steps import trip
from tests.support.alertmanagers import GROUP_INTERVAL, AlertmanagerProcess, Pager, always, eventually
from tests.support.clocks import OffsetClock
from tests.support.crowd import Place
from tests.support.worlds import World

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
TTL = 2 * SECOND
# From the end until a person is told, on a busy machine.
ON_TIME = 2 * SECOND

ENABLE = """
import sys
from sqlalchemy import create_engine
from sqlalchemy.orm import Session
from driftbreaker import Alertmanager, CircuitBreaker, Relay

url, alertmanager = sys.argv[1:]
engine = create_engine(url)
with Session(engine) as session, session.begin():
    assert CircuitBreaker(session, "pricing").enable("fixed", actor="alice")
print(Relay(engine, [Alertmanager(alertmanager)]).run_once().sent)
"""


def test_enabled_by_another_process_it_is_the_same_alert_that_resolves(
    place: Place, world: World, alertmanager: AlertmanagerProcess, pager: Pager, channel: Alertmanager
) -> None:
    with world.committed() as breaker:
        trip(breaker)
    world.relay(channel).run_once()
    (firing,) = alertmanager.alerts()
    pager.wait("firing")
    other = [sys.executable, "-c", ENABLE, place.plain, alertmanager.url]
    assert subprocess.run(other, capture_output=True, text=True, check=True, timeout=60).stdout == "1\n"
    assert not alertmanager.fires()
    told, over = pager.wait("firing", "resolved")
    assert {told.fingerprint, over.fingerprint} == {firing["fingerprint"]}
    assert (told.labels, told.starts_at) == (over.labels, over.starts_at)
    assert over.annotations["description"] == "Ended by alice: fixed."


def test_a_time_to_live_resolves_it_on_time(
    world: World, alertmanager: AlertmanagerProcess, pager: Pager, channel: Alertmanager
) -> None:
    with Relay(world.engine, [channel], poll=0.1):
        with world.committed(settings=BreakerSettings(ttl=TTL)) as breaker:
            until = trip(breaker).timestamp + TTL
        eventually(lambda: "resolved" in pager.states(), "it is over")
        assert until <= datetime.now(UTC) < until + ON_TIME
        _, over = pager.wait("firing", "resolved")
    assert world.rows("incidents")[0]["resolved_by"] == "system-auto-recover"
    assert abs(datetime.fromisoformat(over.ends_at) - until) < SECOND


def test_alertmanager_itself_ends_what_recovers_by_itself_though_every_sender_is_dead(
    world: World, alertmanager: AlertmanagerProcess, pager: Pager, channel: Alertmanager
) -> None:
    with world.committed(settings=BreakerSettings(ttl=TTL)) as breaker:
        until = trip(breaker).timestamp + TTL
    assert world.relay(channel).run_once() == Pass(sent=1)
    pager.wait("firing")
    assert datetime.now(UTC) < until
    eventually(lambda: "resolved" in pager.states(), "it is over")
    assert until <= datetime.now(UTC) < until + ON_TIME
    pager.wait("firing", "resolved")
    with world.committed() as breaker:
        assert breaker.is_closed(), "as the breaker itself says, though nobody wrote it"


def test_the_resolves_of_a_first_incident_do_not_silence_the_second(
    world: World, alertmanager: AlertmanagerProcess, pager: Pager, channel: Alertmanager
) -> None:
    clock = OffsetClock(timedelta(hours=-1))
    relay = world.relay(channel, clock=clock)
    with world.committed(clock=clock) as breaker:
        breaker.disable("first", actor="alice")
    relay.run_once()
    pager.wait("firing")
    with world.committed(clock=clock) as breaker:
        breaker.enable("on", actor="alice")
    relay.run_once()
    pager.wait("firing", "resolved")
    with world.committed(clock=clock) as breaker:
        _, second = breaker.disable("second", actor="alice")
    for _ in range(20):
        assert relay.run_once() == Pass(sent=1)
        assert alertmanager.fires()
        clock.advance(67 * SECOND)
    *_, told = pager.wait("firing", "resolved", "firing")
    assert told.annotations["incident_id"] == second.id
    assert datetime.fromisoformat(told.starts_at) - second.timestamp < SECOND


def test_what_began_and_ended_between_two_passes_tells_nobody(
    world: World, alertmanager: AlertmanagerProcess, pager: Pager, channel: Alertmanager
) -> None:
    with world.committed() as breaker:
        trip(breaker)
    with world.committed() as breaker:
        breaker.enable("on", actor="alice")
    assert world.relay(channel).run_once() == Pass(sent=1)
    assert not alertmanager.fires()
    pager.wait()
    assert len(world.rows("incidents")) == 1, "it is on record, though silent"


def test_what_ended_within_the_receivers_group_wait_tells_nobody(
    any_world: World, tmp_path: Path, pager: Pager
) -> None:
    with AlertmanagerProcess(tmp_path / "patient", pager, group_wait=1.0) as alertmanager:
        relay = any_world.relay(Alertmanager(alertmanager.url))
        with any_world.committed() as breaker:
            trip(breaker)
        assert relay.run_once() == Pass(sent=1)
        with any_world.committed() as breaker:
            breaker.enable("on", actor="alice")
        assert relay.run_once() == Pass(sent=1)
        always(lambda: pager.states() == [], "nobody is told", 1.0 + 3 * GROUP_INTERVAL)


class Stalled:
    """The channel of a relay that claims, and then stands still for longer than its lease."""

    name = "alertmanager"
    cadence = Cadence.STATE

    def __init__(self, url: str) -> None:
        self._url = url
        self.claimed = threading.Event()
        self.awake = threading.Event()

    def send(self, alerts: Sequence[Alert]) -> list[Outcome]:
        self.claimed.set()
        assert self.awake.wait(30)
        return asyncio.run(self._send(alerts))

    async def _send(self, alerts: Sequence[Alert]) -> list[Outcome]:
        channel = Alertmanager(self._url)
        try:
            return await channel.send(alerts)
        finally:
            await channel.close()

    def close(self) -> None:
        pass


def test_what_a_stalled_relay_says_too_late_is_put_right_by_the_next_send(
    world: World, alertmanager: AlertmanagerProcess, pager: Pager, channel: Alertmanager
) -> None:
    """Alertmanager believes what it heard last. Nothing but saying the truth again helps against an old lie."""
    clock = OffsetClock(timedelta(minutes=-10))
    relay = world.relay(channel, clock=clock)
    with world.committed(clock=clock) as breaker:
        trip(breaker)
    relay.run_once()
    pager.wait("firing")
    clock.advance(67 * SECOND)

    stalled = Stalled(alertmanager.url)
    late = threading.Thread(target=Relay(world.engine, [stalled], clock=clock, lease=30.0).run_once)
    late.start()
    assert stalled.claimed.wait(30)
    with world.committed(clock=clock) as breaker:
        breaker.enable("on", actor="alice")
    assert relay.run_once() == Pass(), "the stalled one has it still"
    clock.advance(31 * SECOND)
    assert relay.run_once() == Pass(sent=1)
    assert not alertmanager.fires()
    pager.wait("firing", "resolved")

    stalled.awake.set()
    late.join(30)
    assert alertmanager.fires(), "it heard the old one last"
    (delivery,) = world.rows("deliveries")
    assert (delivery["state_sent"], delivery["version_sent"]) == ("resolved", 2), (
        "whoever lost the lease writes nothing"
    )
    clock.advance(6 * SECOND)
    assert relay.run_once() == Pass(sent=1)
    assert not alertmanager.fires()
    eventually(lambda: pager.states()[-1] == "resolved", "the end is told")
    always(lambda: not alertmanager.fires() and pager.states()[-1] == "resolved", "over")


@pytest.mark.parametrize("offset", [-90, 90], ids=["90 s behind", "90 s ahead"])
def test_a_clock_that_is_wrong_delays_no_alert(
    world: World, alertmanager: AlertmanagerProcess, pager: Pager, channel: Alertmanager, offset: int
) -> None:
    clock = OffsetClock(offset * SECOND)
    relay = world.relay(channel, clock=clock)
    with world.committed("by hand", clock=clock) as breaker:
        breaker.disable("off", actor="alice")
    with world.committed("tripped", clock=clock) as breaker:
        trip(breaker)
    assert relay.run_once() == Pass(sent=2)
    assert len(alertmanager.alerts()) == 2
    pager.wait("firing", "firing")
    if offset > 0:
        return
    for name in ("by hand", "tripped"):
        with world.committed(name, clock=clock) as breaker:
            breaker.enable("on", actor="alice")
    assert relay.run_once() == Pass(sent=2)
    assert not alertmanager.fires()
    pager.wait("firing", "firing", "resolved", "resolved")


def test_a_resolve_that_came_too_early_for_the_receivers_clock_is_heard_when_it_is_repeated(
    world: World, alertmanager: AlertmanagerProcess, pager: Pager, channel: Alertmanager
) -> None:
    """Of an end that lies ahead Alertmanager thinks nothing; it keeps the later one that the firing alert had."""
    clock = OffsetClock(2 * SECOND)
    relay = world.relay(channel, clock=clock)
    with world.committed(clock=clock) as breaker:
        breaker.disable("off", actor="alice")
    relay.run_once()
    pager.wait("firing")
    with world.committed(clock=clock) as breaker:
        breaker.enable("on", actor="alice")
        ended_at = clock.now()
    assert relay.run_once() == Pass(sent=1)
    eventually(lambda: datetime.now(UTC) > ended_at, "the end has come for both clocks")
    always(alertmanager.fires, "the resolve was lost")
    clock.advance(5 * SECOND)
    assert relay.run_once() == Pass(sent=1)
    assert not alertmanager.fires()
    pager.wait("firing", "resolved")


def test_a_time_to_live_shorter_than_the_clock_is_wrong_is_over_before_it_begins(
    any_world: World, alertmanager: AlertmanagerProcess, pager: Pager, channel: Alertmanager
) -> None:
    """A limit, not a wish: whoever changes it changes the document."""
    clock = OffsetClock(-90 * SECOND)
    with any_world.committed(clock=clock, settings=BreakerSettings(ttl=MINUTE)) as breaker:
        trip(breaker)
    assert any_world.relay(channel, clock=clock).run_once() == Pass(sent=1)
    assert not alertmanager.fires()
    pager.wait()
