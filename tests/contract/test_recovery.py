"""Expiry and recovery: readers see it at once, the next writer puts it on record, and nobody waits for it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from driftbreaker import BreakerSettings
from driftbreaker.testing import ManualClock
from tests.contract.steps import BAD, GOOD, HOUR, changes, trip
from tests.support.worlds import World

DAY = timedelta(hours=24)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def expired(world: World, clock: ManualClock) -> World:
    with world.committed(clock=clock) as breaker:
        trip(breaker)
    clock.advance(DAY + HOUR)
    return world


def recovery(world: World) -> dict[str, Any]:
    return next(row for row in world.rows("history") if row["change"] == "recover")


WRITERS = {
    "good report": (lambda b: b.report_drift(GOOD), None, ["trip", "recover"]),
    "bad report": (lambda b: b.report_drift(BAD), None, ["trip", "recover"]),
    "schema error": (lambda b: b.report_schema_error(1), None, ["trip", "recover"]),
    "enable": (lambda b: b.enable("fine", actor="alice"), False, ["trip", "recover"]),
    "reset": (lambda b: b.reset("fine", actor="alice"), False, ["trip", "recover"]),
    "disable": (lambda b: b.disable("off", actor="alice")[0], True, ["trip", "recover", "disable"]),
    "disable for the trip's reason": (
        lambda b: b.disable("Drift score 0.5 above 0.2; failure threshold 3 reached", actor="alice")[0],
        True,
        ["trip", "recover", "disable"],
    ),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_every_writer_first_recovers_an_expired_breaker(expired: World, clock: ManualClock, writer: str) -> None:
    write, answer, history = WRITERS[writer]
    with expired.committed(clock=clock) as breaker:
        assert write(breaker) == answer
    ended_at = clock.now() - HOUR
    first = expired.rows("incidents")[0]
    assert (first["resolved_at"], first["resolved_by"]) == (ended_at, "system-auto-recover")
    assert changes(expired) == history
    entry = recovery(expired)
    assert (entry["actor"], entry["actor_kind"], entry["at"]) == ("system-auto-recover", "system", ended_at)
    assert (entry["old_status"], entry["new_status"]) == ("open", "closed")


def test_force_on_first_recovers(expired: World, clock: ManualClock) -> None:
    with expired.committed(clock=clock) as breaker:
        assert breaker.force_on("known", actor="alice", until=clock.now() + HOUR) is False
    assert changes(expired) == ["trip", "recover", "force_on"]


def test_recovery_resolves_the_alert_at_the_end(expired: World, clock: ManualClock) -> None:
    with expired.committed(clock=clock) as breaker:
        breaker.report_drift(GOOD)
    (alert,) = expired.rows("outbox")
    assert (alert["state"], alert["ends_at"], alert["version"]) == ("resolved", clock.now() - HOUR, 2)


def test_expired_breaker_trips_again(expired: World, clock: ManualClock) -> None:
    with expired.committed(clock=clock) as breaker:
        assert breaker.report_drift(BAD) is None
        assert breaker.report_drift(BAD) is None
        incident = breaker.report_drift(BAD)
        assert incident is not None
        assert breaker.is_disabled()
    assert changes(expired) == ["trip", "recover", "trip"]
    assert expired.row()["trip_count"] == 2
    assert [row["resolved_at"] is None for row in expired.rows("incidents")] == [False, True]


def test_expired_breaker_trips_at_once_at_threshold_one(expired: World, clock: ManualClock) -> None:
    with expired.committed(clock=clock, settings=BreakerSettings(failure_threshold=1)) as breaker:
        assert breaker.report_drift(BAD) is not None


def test_bad_report_on_an_expired_breaker_starts_a_new_streak(expired: World, clock: ManualClock) -> None:
    with expired.committed(clock=clock) as breaker:
        breaker.report_drift(BAD)
        assert breaker.get_state().consecutive_failures == 1


def test_no_reader_can_tell_whether_the_recovery_is_on_record(expired: World, clock: ManualClock) -> None:
    with expired.committed(clock=clock) as breaker:
        seen = breaker.get_state()
        breaker.enable("put the recovery on record", actor="alice")
        assert breaker.get_state() == seen


REPORTS = {
    "bad report": (lambda b, g: b.report_drift(BAD, generation=g), "consecutive_failures"),
    "schema error": (lambda b, g: b.report_schema_error(1, generation=g), "schema_errors"),
    "late report": (lambda b, g: b.report_drift(BAD, generation=g), "consecutive_failures"),
}


@pytest.mark.parametrize("report", REPORTS)
def test_report_admitted_by_an_expired_breaker_counts(expired: World, clock: ManualClock, report: str) -> None:
    make, count = REPORTS[report]
    when = "commit" if report == "late report" else "now"
    for times in (1, 2):
        with expired.committed(clock=clock, when=when) as breaker:
            make(breaker, breaker.get_state().generation)
        with expired.committed(clock=clock) as breaker:
            assert getattr(breaker.get_state(), count) == times
    assert changes(expired) == ["trip", "recover"]


def test_rolled_back_recovery_is_no_recovery(expired: World, clock: ManualClock) -> None:
    before = expired.everything()
    with expired.session() as session:
        expired.breaker(session, clock=clock).report_drift(GOOD)
        session.rollback()
    assert expired.everything() == before


def test_without_auto_recovery_nothing_expires(world: World, clock: ManualClock) -> None:
    settings = BreakerSettings(auto_recover=False)
    with world.committed(clock=clock, settings=settings) as breaker:
        trip(breaker)
        clock.advance(timedelta(days=999))
        assert breaker.is_disabled()
        breaker.report_drift(GOOD)
        assert breaker.is_disabled()
    with world.committed("by hand", clock=clock, settings=settings) as breaker:
        breaker.disable("maintenance", actor="alice", until=clock.now() + HOUR)
        clock.advance(2 * HOUR)
        assert breaker.is_disabled()
    assert {row["ends_at"] for row in world.rows("outbox")} == {None}


def test_the_row_decides_whether_it_recovers_not_the_readers_settings(expired: World, clock: ManualClock) -> None:
    with expired.committed(clock=clock, settings=BreakerSettings(auto_recover=False)) as breaker:
        assert breaker.is_disabled() is False


def test_check_on_postgresql_puts_the_recovery_on_record(postgres_world: World, clock: ManualClock) -> None:
    world = postgres_world
    with world.committed(clock=clock) as breaker:
        trip(breaker)
        clock.advance(DAY)
        assert breaker.is_disabled() is False
    assert changes(world) == ["trip", "recover"]
    assert world.row()["status"] == "closed"


def test_check_on_sqlite_leaves_the_recovery_to_the_next_writer(sqlite_world: World, clock: ManualClock) -> None:
    world = sqlite_world
    with world.committed(clock=clock) as breaker:
        trip(breaker)
        clock.advance(DAY)
        assert breaker.is_disabled() is False
    assert changes(world) == ["trip"]
    assert world.row()["status"] == "open"


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_check_above_read_committed_writes_nothing(postgres_world: World, clock: ManualClock, level: str) -> None:
    world = postgres_world
    with world.committed(clock=clock) as breaker:
        trip(breaker)
    clock.advance(DAY)
    with world.session() as session:
        session.connection(execution_options={"isolation_level": level})
        assert world.breaker(session, clock=clock).is_disabled() is False
        session.commit()
    assert changes(world) == ["trip"]


def test_check_in_a_read_only_transaction_writes_nothing(postgres_world: World, clock: ManualClock) -> None:
    world = postgres_world
    with world.committed(clock=clock) as breaker:
        trip(breaker)
    clock.advance(DAY)
    with world.session() as session:
        session.connection(execution_options={"postgresql_readonly": True})
        assert world.breaker(session, clock=clock).is_disabled() is False
        session.commit()
    assert changes(world) == ["trip"]


GRANTS = (
    "GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public",
    "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public",
)


@pytest.mark.parametrize("notify", [True, False])
@pytest.mark.parametrize(
    "lacking",
    [
        "",
        "USAGE ON driftbreaker_history_seq_seq",  # easily forgotten: the usual grant is of tables alone
        "UPDATE ON driftbreaker_breakers",
        "SELECT ON driftbreaker_incidents",
        "UPDATE ON driftbreaker_incidents",
        "SELECT ON driftbreaker_outbox",
        "UPDATE ON driftbreaker_outbox",
        "INSERT ON driftbreaker_history",
    ],
)
def test_check_recovers_only_where_its_role_may_write_all_of_it(
    postgres_world: World, clock: ManualClock, lacking: str, notify: bool
) -> None:
    world = postgres_world
    with world.committed(clock=clock) as breaker:
        trip(breaker)
    clock.advance(DAY)
    with world.session() as session:
        role = f"reader_{world.url.rsplit('_', 1)[-1]}"
        session.execute(text(f'CREATE ROLE "{role}"'))
        for grant in GRANTS:
            session.execute(text(f'{grant} TO "{role}"'))
        if lacking:
            session.execute(text(f'REVOKE {lacking} FROM "{role}"'.replace("USAGE ON", "USAGE ON SEQUENCE")))
        session.execute(text(f'SET LOCAL ROLE "{role}"'))
        assert world.breaker(session, clock=clock, notify=notify).is_disabled() is False
        session.execute(text("RESET ROLE"))  # the transaction goes on
        found = session.execute(text("SELECT change FROM driftbreaker_history ORDER BY seq")).scalars().all()
        session.rollback()
    assert found == (["trip"] if lacking else ["trip", "recover"])


def test_check_does_not_wait_for_whoever_holds_the_row_or_the_incident(
    postgres_world: World, clock: ManualClock
) -> None:
    world = postgres_world
    with world.committed(clock=clock) as breaker:
        trip(breaker)
    clock.advance(DAY)
    for table in ("driftbreaker_breakers", "driftbreaker_incidents"):
        with world.outside.connect() as holder, world.session() as session:
            holder.execute(text(f"SELECT 1 FROM {table} FOR UPDATE"))
            session.execute(text("SET LOCAL lock_timeout = '2s'"))
            assert world.breaker(session, clock=clock).is_disabled() is False
            session.commit()
    assert changes(world) == ["trip"]


def test_time_never_runs_backwards_within_a_breaker(world: World, clock: ManualClock) -> None:
    """A statement that waited for a lock carries an old instant: what it writes must not lie before what is there."""
    with world.committed(clock=clock) as breaker:
        trip(breaker)
        opened_at = clock.now()
        clock.advance(-HOUR)
        breaker.disable("with an old clock", actor="alice")
        breaker.enable("with an old clock", actor="alice")
        breaker.report_drift(BAD)
        assert breaker.get_state().last_failure_at == opened_at
    assert {row["at"] for row in world.rows("history")} == {opened_at}
    for incident in world.rows("incidents"):
        assert incident["resolved_at"] >= incident["ts"]
    for alert in world.rows("outbox"):
        assert alert["ends_at"] >= alert["starts_at"]


@pytest.mark.parametrize("score", [GOOD, BAD], ids=["good", "bad"])
def test_a_report_of_an_earlier_generation_writes_the_recovery_and_counts_for_nothing(
    world: World, clock: ManualClock, score: float
) -> None:
    with world.committed(clock=clock) as breaker:
        trip(breaker)
    clock.advance(timedelta(hours=25))
    with world.committed(clock=clock) as breaker:
        breaker.report_drift(score, generation=0)
    row = world.row()
    assert (row["status"], row["failures"], row["generation"]) == ("closed", 0, 2)
    assert changes(world) == ["trip", "recover"]
