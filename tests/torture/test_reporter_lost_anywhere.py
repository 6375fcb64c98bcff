"""Whatever step of a flush fails: what it took is written once, or in doubt; never twice, never half."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.orm import Session

from driftbreaker import BreakerSettings, Reporter
from driftbreaker.testing import PostgresServer
from tests.support.pooler import port_of
from tests.support.scissors import Scissors
from tests.support.size import size
from tests.support.worlds import World
from tests.torture.points import watch_points

SETTINGS = BreakerSettings(failure_threshold=3, schema_error_threshold=3)
BAD = 0.5


def count(reporter: Any, name: str) -> None:
    reporter.report(name, BAD)
    reporter.report(name, BAD)


def trip(reporter: Any, name: str) -> None:
    for _ in range(3):
        reporter.report(name, BAD)


def schema_trip(reporter: Any, name: str) -> None:
    reporter.report_schema_error(name, 3)


def several(reporter: Any, name: str) -> None:
    for number in range(3):
        reporter.report(f"{name} {number}", BAD)


SCENARIOS: dict[str, Callable[[Any, str], None]] = {
    "count": count,
    "trip": trip,
    "schema trip": schema_trip,
    "several": several,
}


class Fates:
    """What a scenario should leave, and what is there: all of it, once, or, in doubt, nothing."""

    def __init__(self, world: World, scenario: str) -> None:
        self.world = world
        self.scenario = scenario

    def is_there(self, name: str) -> bool:
        """Whether it is there, and whole: anything between is an error."""
        rows = {row["name"]: row for row in self.world.rows("breakers") if row["name"].startswith(name)}
        incidents = [each for each in self.world.rows("incidents") if each["name"] == name]
        alerts = [each for each in self.world.rows("outbox") if each["labels"]["circuit_breaker"] == name]
        history = [
            each["change"]
            for each in self.world.rows("history")
            if each["name"] == name and each["change"] != "settings"
        ]
        if not rows:
            assert (incidents, alerts, history) == ([], [], [])
            return False
        if self.scenario == "several":
            assert [row["failures"] for row in rows.values()] == [1, 1, 1]
        elif self.scenario == "count":
            assert (rows[name]["failures"], rows[name]["status"]) == (2, "closed")
        else:
            assert (rows[name]["status"], rows[name]["trip_count"], len(incidents), len(alerts)) == ("open", 1, 1, 1)
            assert history == ["trip"]
        return True


def at_every_point(world: World, scenario: str, interfere: Callable[[str, Engine], None]) -> dict[str, str]:
    """Flush again and again, each time disturbed one point later; return what became of it at each point."""
    fates, seen = Fates(world, scenario), dict[str, str]()
    turn = {"left": 0, "point": ""}
    engine = world.sync_engine

    def reach(point: str) -> None:
        turn["left"] -= 1
        if turn["left"] == 0:
            turn["point"] = point
            interfere(point, engine)

    reporter = world.reporter(settings={}, interval=3_600.0)
    reporter.target._default = SETTINGS
    with world.session() as session:
        session.execute(text("SELECT 1"))
    watch_points(engine, reach)
    number = 0
    while True:
        number += 1
        name = f"pricing {number:03}"
        before = reporter.counts
        SCENARIOS[scenario](reporter, name)
        calls = reporter.counts.reported - before.reported
        turn.update(left=number, point="")
        first = reporter.flush()
        turn["left"] = -1_000_000
        release(world)
        for _ in range(3):
            if reporter.flush():
                break
        after = reporter.counts
        assert after.waiting == after.dropped == 0, turn
        flushed, doubted = after.flushed - before.flushed, after.in_doubt - before.in_doubt
        assert (flushed, doubted) in ((calls, 0), (0, calls)), turn
        there = fates.is_there(name)
        assert there or doubted, turn
        if not turn["point"]:
            break
        seen[f"{number} {turn['point']}"] = ("doubt" if doubted else "at once" if first else "later") + (
            ", there" if there else ""
        )
    reporter.close()
    return seen


_locks: list[sqlite3.Connection] = []


def release(_world: World) -> None:
    while _locks:
        _locks.pop().close()


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_backend_that_is_ended_at_any_point(postgres_world: World, scenario: str) -> None:
    world = postgres_world

    def end(_point: str, _engine: Engine) -> None:
        others = text(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        with world.outside.begin() as connection:
            assert connection.execute(others).all()

    seen = at_every_point(world, scenario, end)
    fates = list(seen.values())
    assert fates[-3:] == ["doubt", "doubt", "at once, there"], "after the last statement, before the COMMIT, after it"
    assert set(fates[:-3]) == {"later, there"}
    assert len(seen) >= 6


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("mode", ["delete", "wal"])
@pytest.mark.parametrize("driver", ["sqlite", "aiosqlite"])
def test_a_file_that_somebody_else_locks_at_any_point(
    sqlite_database: Path, scenario: str, mode: str, driver: str
) -> None:
    url = f"sqlite:///{sqlite_database}"
    own = sqlite3.connect(sqlite_database)
    own.execute(f"PRAGMA journal_mode = {mode}").fetchall()
    own.close()
    ours = url if driver == "sqlite" else url.replace("sqlite:", "sqlite+aiosqlite:")
    world = World(driver, ours, create_engine(url), connect_args={"timeout": 0.01})

    def lock(_point: str, _engine: Engine) -> None:
        """As much of a lock as can be had: everything, or a reader's, which is in the way of a COMMIT."""
        other = sqlite3.connect(sqlite_database, timeout=0.0, isolation_level=None)
        with suppress(sqlite3.OperationalError):
            other.execute("BEGIN EXCLUSIVE")
        if not other.in_transaction:
            with suppress(sqlite3.OperationalError):
                other.execute("BEGIN")
                other.execute("SELECT count(*) FROM driftbreaker_breakers").fetchall()
        _locks.append(other)

    try:
        seen = at_every_point(world, scenario, lock)
    finally:
        release(world)
        world.close()
    fates = [fate for point, fate in seen.items() if "COMMIT" not in point]
    assert set(fates) <= {"later, there", "at once, there"}
    assert "later, there" in fates
    assert "doubt" not in "".join(seen.values()), "a lock is an answer, at COMMIT as well"
    if mode == "delete":
        assert next(fate for point, fate in seen.items() if "before COMMIT" in point) == "later, there"


def test_a_line_that_is_cut_at_any_byte(postgres: PostgresServer, postgres_database: str) -> None:
    """In the midst of a question, of an answer, and of the answer to the COMMIT."""
    url = postgres.url(postgres_database)
    fates = set()
    with Scissors(port_of(postgres)) as line:
        engine = create_engine(line.url(url))
        outside = World("psycopg", url, create_engine(url))
        look = Fates(outside, "count")
        reporter = Reporter(engine, interval=3_600.0)
        for answers in (False, True):
            count(reporter, f"warm {answers}")  # so that the driver has prepared what it will prepare
            assert reporter.flush()
            before = line.passed[answers]
            count(reporter, f"measure {answers}")
            assert reporter.flush()
            total = line.passed[answers] - before
            places = {*range(1, total, size(max(1, total // 20), 1)), *range(max(1, total - 20), total + 20)}
            for place in sorted(places):
                name = f"{'answer' if answers else 'question'} {place:05}"
                counts = reporter.counts
                count(reporter, name)
                line.cut_after(place, answers=answers)
                reporter.flush()
                line.leave_alone()
                while not reporter.flush():
                    pass
                doubted = reporter.counts.in_doubt - counts.in_doubt
                assert doubted + reporter.counts.flushed - counts.flushed == 2
                there = look.is_there(name)
                assert there or doubted, name
                fates.add((bool(doubted), there))
        assert reporter.counts.waiting == 0
        reporter.close()
        engine.dispose()
        outside.close()
    assert fates == {(False, True), (True, False), (True, True)}, "every fate was met"


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
@pytest.mark.parametrize("when", ["before_commit", "after_commit", "after_transaction_end"])
def test_a_listener_of_the_hosts_that_fails_about_the_commit_has_nothing_written_twice(
    request: pytest.FixtureRequest, database: str, when: str
) -> None:
    """Those on the class hear of the reporter's sessions too."""
    url = request.getfixturevalue(f"{database}_url")
    engine, failures = create_engine(url), [1]

    def fail(*_: Any) -> None:
        if failures:
            failures.pop()
            raise ValueError("the host's own")

    reporter = Reporter(engine, interval=3_600.0)
    reporter.report("pricing", BAD)
    event.listen(Session, when, fail)
    try:
        reporter.flush()
        reporter.flush()
    finally:
        event.remove(Session, when, fail)
    outside = World("sqlite" if database == "sqlite" else "psycopg", url, create_engine(url))
    rows = [row["failures"] for row in outside.rows("breakers")]
    counts = reporter.counts
    assert not failures
    assert (counts.waiting, counts.flushed + counts.in_doubt) == (0, 1)
    assert len(rows) <= 1
    assert all(failures == 1 for failures in rows)
    if when != "before_commit":
        assert rows == [1]
    reporter.close()
    outside.close()
    engine.dispose()


def test_a_time_limits_signal_amid_a_flush_loses_nothing(sqlite_url: str) -> None:
    class OutOfTime(BaseException):
        pass

    engine = create_engine(sqlite_url)
    outside = World("sqlite", sqlite_url, create_engine(sqlite_url))
    reporter = Reporter(engine, interval=3_600.0)
    for number in range(120):
        reporter.report(f"{number:03}", BAD)

    def fail(*_: Any) -> None:
        raise OutOfTime

    event.listen(engine, "before_cursor_execute", fail)
    with pytest.raises(OutOfTime):
        reporter.flush()
    event.remove(engine, "before_cursor_execute", fail)
    assert reporter.counts.waiting == 120
    assert reporter.flush()
    assert [row["failures"] for row in outside.rows("breakers")] == [1] * 120
    assert reporter.counts.flushed == 120
    reporter.report("000", None, verdict="good")
    reporter.close()
    outside.close()
    engine.dispose()
