"""Any number of relays: no alert is claimed twice, and what a dead relay had claimed is free within its lease."""

from __future__ import annotations

import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, event, text, update
from sqlalchemy.orm import Session

from driftbreaker import Pass, Relay, outbox
from driftbreaker.outbox import Claim, Ledger, Settled
from driftbreaker.tables import default_tables
from driftbreaker.testing import ManualClock
from tests.contract.steps import START
from tests.support.alerts_in_bulk import open_many
from tests.support.doomed import LEASE, POINTS, Letterbox, die
from tests.support.inbox import ACCEPTED, Inbox
from tests.support.worlds import CHOSEN, World

SYNC = [driver for driver in CHOSEN if driver in ("sqlite", "psycopg")]


def off(world: World, name: str = "pricing", **options: object) -> None:
    with world.committed(name, **options) as breaker:
        breaker.disable("off", actor="alice")


def claim(world: World, clock: ManualClock, lease: float = 30.0) -> list[Claim]:
    ledger = Ledger(default_tables(), clock)
    with Session(world.outside) as session, session.begin():
        found = outbox.find_due(session, ledger, "inbox", 10)
        return outbox.claim(session, ledger, "inbox", found, lease=lease, records=False)


def settle(world: World, clock: ManualClock, claims: list[Claim]) -> None:
    settled = [Settled(claim=each, outcome=ACCEPTED, delay=60.0) for each in claims]
    with Session(world.outside) as session, session.begin():
        outbox.settle(session, Ledger(default_tables(), clock), "inbox", settled)


def test_what_is_claimed_nobody_else_claims_until_the_lease_ends(world: World) -> None:
    clock, inbox = ManualClock(START), Inbox()
    off(world, clock=clock)
    assert len(claim(world, clock, lease=30.0)) == 1
    relay = world.relay(inbox, clock=clock)
    clock.advance(timedelta(seconds=29))
    assert relay.run_once() == Pass()
    clock.advance(timedelta(seconds=1))
    assert relay.run_once() == Pass(sent=1)


def test_a_lease_that_was_lost_settles_nothing(world: World) -> None:
    clock = ManualClock(START)
    off(world, clock=clock)
    late = claim(world, clock, lease=10.0)
    clock.advance(timedelta(seconds=11))
    assert len(claim(world, clock, lease=10.0)) == 1
    before = world.rows("deliveries")
    settle(world, clock, late)
    assert world.rows("deliveries") == before


def test_what_changes_while_it_is_sent_is_due_at_once(world: World) -> None:
    clock, inbox = ManualClock(START), Inbox()
    off(world, clock=clock)
    claims = claim(world, clock)
    with world.committed(clock=clock) as breaker:
        breaker.enable("on", actor="alice")
    settle(world, clock, claims)
    assert world.relay(inbox, clock=clock).run_once() == Pass(sent=1)
    assert inbox.states == ["resolved"]


def test_two_that_found_the_same_work_do_not_both_claim_it(world: World) -> None:
    clock, ledger = ManualClock(START), Ledger(default_tables(), ManualClock(START))
    off(world, clock=clock)
    with Session(world.outside) as one, Session(world.outside) as other:
        found = [outbox.find_due(session, ledger, "inbox", 10) for session in (one, other)]
        for session in (one, other):
            session.commit()
        claimed = []
        for session, each in zip((one, other), found, strict=True):
            claimed.append(outbox.claim(session, ledger, "inbox", each, lease=30.0, records=False))
            session.commit()
    assert [len(each) for each in claimed] == [1, 0]


def test_what_somebody_holds_is_claimed_another_time_and_not_waited_for(postgres_world: World) -> None:
    world, inbox = postgres_world, Inbox()
    relay = world.relay(inbox)
    off(world)
    assert relay.run_once() == Pass(sent=1)
    with world.committed() as breaker:
        breaker.enable("on", actor="alice")
    with ThreadPoolExecutor(1) as pool, world.outside.begin() as holder:
        holder.execute(text("SELECT 1 FROM driftbreaker_deliveries FOR UPDATE"))
        assert pool.submit(relay.run_once).result(timeout=30) == Pass()
    assert relay.run_once() == Pass(sent=1)


@pytest.mark.parametrize("world", SYNC, indirect=True)
def test_one_relay_called_from_several_threads_sends_each_alert_once(world: World) -> None:
    inbox = Inbox()
    for number in range(40):
        off(world, f"b{number:02}")
    relay = Relay(world.outside, [inbox], batch=3)
    errors: list[Exception] = []

    def work() -> None:
        try:
            relay.run_once()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    relay.run_once()
    assert errors == []
    assert sorted(alert.name for alert in inbox.alerts) == [f"b{number:02}" for number in range(40)]


@pytest.mark.parametrize("world", SYNC, indirect=True)
def test_hooks_and_workers_together_send_each_change_once(world: World) -> None:
    """Three relays in the background and two that are called, while breakers open and close."""
    inbox = Inbox()
    relays = [Relay(world.outside, [inbox], poll=0.05, resend_interval=3600.0) for _ in range(3)]
    for relay in relays:
        relay.start()
    for number in range(10):
        off(world, f"b{number}")
        Relay(world.outside, [inbox], resend_interval=3600.0).run_once()
    deadline = time.monotonic() + 10
    while len(inbox.alerts) < 10 and time.monotonic() < deadline:
        time.sleep(0.02)
    for relay in relays:
        relay.close()
    assert sorted(alert.name for alert in inbox.alerts) == [f"b{number}" for number in range(10)]


@pytest.mark.parametrize("world", SYNC, indirect=True)
@pytest.mark.parametrize("point", POINTS)
def test_a_process_killed_at_any_point_leaves_nothing_phantom_and_loses_nothing(
    world: World, point: str, tmp_path: Path
) -> None:
    letters = tmp_path / "letters"
    assert die(world.url, letters, point) == -signal.SIGKILL
    letterbox = Letterbox(letters)
    engine = create_engine(world.url)
    relay = Relay(engine, [letterbox], lease=LEASE)
    deadline = time.monotonic() + LEASE + 3
    while time.monotonic() < deadline:
        relay.run_once()
        time.sleep(0.1)
        if letterbox.letters and world.rows("deliveries")[0]["version_sent"] == 1:
            break
        if point == "before commit" and world.count("outbox") == 0:
            break
    engine.dispose()
    incidents = [row["id"] for row in world.rows("incidents")]
    if point == "before commit":
        assert (incidents, letterbox.letters) == ([], [])
        return
    times = 2 if point == "after send" else 1
    assert letterbox.letters == [f"firing {incidents[0]}"] * times, "the second, equal letter is Alertmanager's to fold"
    assert world.rows("incidents")[0]["alert_sent_at"] is not None


def test_a_transaction_that_took_long_to_commit_is_found_by_looking_through_everything(world: World) -> None:
    clock, inbox = ManualClock(START), Inbox()
    off(world, clock=clock)
    clock.advance(timedelta(hours=1))
    ledger = Ledger(default_tables(), clock)
    with Session(world.outside) as session:
        assert outbox.find_due(session, ledger, "inbox", 10, everything=False) == {}
        assert len(outbox.find_due(session, ledger, "inbox", 10, everything=True)) == 1
    assert world.relay(inbox, clock=clock).run_once() == Pass(sent=1), "which a pass on its own always does"


@pytest.mark.parametrize("world", SYNC, indirect=True)
def test_due_work_is_found_by_index_however_many_alerts_fire(world: World) -> None:
    open_many(world, 5_000)
    clock = ManualClock(START)
    ledger = Ledger(default_tables(), clock)
    with Session(world.outside) as session, session.begin():
        for number in range(10):
            found = outbox.find_due(session, ledger, "inbox", 500, everything=True)
            claims = outbox.claim(session, ledger, "inbox", found, lease=30.0, records=False)
            settled = [Settled(claim=each, outcome=ACCEPTED, delay=60.0) for each in claims]
            outbox.settle(session, ledger, "inbox", settled)
            assert len(claims) == 500, number
    with world.outside.begin() as connection:  # they fired hours ago
        connection.execute(update(default_tables().outbox).values(changed_at=START - timedelta(hours=2)))
    with world.outside.begin() as connection:
        connection.exec_driver_sql("ANALYZE")
    clock.advance(timedelta(seconds=30))
    explain = {"postgresql": "EXPLAIN ", "sqlite": "EXPLAIN QUERY PLAN "}[world.dialect]
    with world.outside.connect() as connection:
        plan: list[str] = []

        def keep_plan(_c: object, cursor: Any, statement: str, parameters: Any, *_: object) -> None:
            cursor.execute(explain + statement, parameters)
            plan.extend(" ".join(map(str, row)) for row in cursor.fetchall())

        event.listen(connection, "before_cursor_execute", keep_plan)
        assert outbox.find_due(Session(connection), ledger, "inbox", 500, everything=False) == {}
    text = "\n".join(plan)
    assert "driftbreaker_deliveries_due" in text, text
    assert "driftbreaker_outbox_changed" in text, text
    assert "Seq Scan" not in text, text
    assert "SCAN driftbreaker" not in text, text
