"""Ten thousand breakers open at once: everything is said again within the interval, in memory that does not grow."""

from __future__ import annotations

import time
import tracemalloc

import pytest
from sqlalchemy import create_engine, update

from driftbreaker import Alertmanager, Pass, Relay
from tests.contract.steps import START
from tests.support.alerts_in_bulk import open_many
from tests.support.inbox import DOWN, Inbox
from tests.support.receiver import Receiver
from tests.support.worlds import CHOSEN, TABLES, World

SYNC = [driver for driver in CHOSEN if driver in ("sqlite", "psycopg")]
OPEN = 10_000
INTERVAL = 60.0


@pytest.mark.parametrize("world", SYNC, indirect=True)
def test_ten_thousand_open_incidents_are_sent_again_within_the_interval(world: World) -> None:
    open_many(world, OPEN)
    engine = create_engine(world.url)
    with Receiver() as receiver:
        relay = Relay(engine, [Alertmanager(receiver.url)], resend_interval=INTERVAL)
        assert relay.run_once() == Pass(sent=OPEN)
        with world.outside.begin() as connection:  # a minute passes
            connection.execute(update(TABLES.deliveries).values(next_at=START))
        begun = time.monotonic()
        assert relay.run_once() == Pass(sent=OPEN)
        assert time.monotonic() - begun < INTERVAL
        assert relay.run_once() == Pass()
        assert max(len(request.body) for request in receiver.requests) <= 64 * 1024
        names = [alert["labels"]["circuit_breaker"] for alert in receiver.alerts]
    engine.dispose()
    assert sorted(names) == sorted([f"b{number}" for number in range(OPEN)] * 2)


@pytest.mark.parametrize("world", SYNC, indirect=True)
def test_a_backlog_that_nobody_takes_costs_no_memory(world: World) -> None:
    """Whatever waits: a pass holds one batch, however often it fails."""
    open_many(world, 3_000)
    engine = create_engine(world.url)
    inbox = Inbox(answer=DOWN)
    relay = Relay(engine, [inbox], batch=100)

    def passes(count: int) -> int:
        for _ in range(count):
            assert relay.run_once().failed == 100
            inbox.alerts.clear()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        before = passes(3)
        after = passes(12)
    finally:
        tracemalloc.stop()
    engine.dispose()
    assert after - before < 300_000
