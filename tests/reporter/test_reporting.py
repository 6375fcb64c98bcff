"""What is reported beside the request: written as if each report had been made by itself, on every driver."""

from __future__ import annotations

import asyncio
import logging
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from driftbreaker import (
    AsyncReporter,
    BreakerSettings,
    Event,
    InvalidArgumentError,
    NotANumberError,
    Reporter,
    listen,
)
from tests.contract.steps import BAD, GOOD, changes
from tests.support.worlds import World

SETTINGS = {"pricing": BreakerSettings(failure_threshold=3, drift_threshold=0.2, schema_error_threshold=5)}


@contextmanager
def told() -> Iterator[list[Event]]:
    events: list[Event] = []
    remove = listen(events.append)
    try:
        yield events
    finally:
        remove()


@contextmanager
def reporting(world: World, **options: Any) -> Iterator[Any]:
    """A reporter that flushes when it is told to."""
    options.setdefault("settings", SETTINGS)
    reporter = world.reporter(**options)
    try:
        yield reporter
    finally:
        reporter.close()


def test_what_is_reported_is_written_with_the_next_flush_and_trips(world: World) -> None:
    with reporting(world) as reporter:
        for score in (0.3, 0.9, 0.5):
            reporter.report("pricing", score, details={"score": score}, samples=10)
        assert world.count("breakers") == 0
        assert reporter.flush() is True
        (incident,) = world.rows("incidents")
        assert (incident["drift_score"], incident["sample_count"], incident["severity"]) == (0.9, 30, "P1")
        assert incident["details"] == {"score": 0.9}
        assert incident["reason"] == "Drift score 0.9 above 0.2; failure threshold 3 reached"
        assert world.row()["status"] == "open"
        (entry,) = world.rows("history")
        assert (entry["change"], entry["door"]) == ("trip", "reporter")
        assert [row["state"] for row in world.rows("outbox")] == ["firing"]
        counts = reporter.counts
        assert (counts.reported, counts.flushed, counts.trips, counts.waiting) == (3, 3, 1, 0)


def test_a_flush_is_one_statement_for_each_breaker_in_the_order_of_their_names(world: World) -> None:
    names = ["pricing", "a", "search"]
    with reporting(world) as reporter:
        for name in names:
            reporter.report(name, BAD)
        reporter.flush()
        for score in [GOOD, BAD] * 500:
            for name in names:
                reporter.report(name, score)
        with world.watch() as seen:
            reporter.flush()
        # PostgreSQL is told for how long to wait for locks; SQLite is looked at before its write lock is taken.
        assert len(seen) == 1 + len(names)
        assert seen.endings == ["commit"]
        assert [world.row(name)["failures"] for name in names] == [1, 1, 1]


def test_nothing_but_good_news_writes_nothing(world: World) -> None:
    with reporting(world) as reporter:
        for _ in range(1_000):
            reporter.report("pricing", GOOD)
        with world.watch() as seen:
            reporter.flush()
        assert len(seen) == 1
        assert world.count("breakers") == 0
        assert reporter.counts.flushed == 1_000


def test_what_is_inconclusive_reaches_no_database(world: World) -> None:
    with reporting(world) as reporter:
        reporter.report("pricing", BAD)
        reporter.flush()
        reporter.report("pricing", None, verdict="inconclusive")
        reporter.report("pricing", 0.0, verdict="inconclusive")
        with world.watch() as seen:
            reporter.flush()
        assert len(seen) == 0
        assert world.row()["failures"] == 1
        assert reporter.counts.flushed == 3


def test_a_verdict_beside_the_score_decides_and_the_reason_does_not_lie(world: World) -> None:
    with reporting(world) as reporter:
        reporter.report("pricing", 0.9, verdict="good")
        for _ in range(3):
            reporter.report("pricing", 0.01, verdict="bad")
        reporter.flush()
        (incident,) = world.rows("incidents")
        assert incident["reason"] == "Drift score 0.01 reported as bad; failure threshold 3 reached"
        assert incident["drift_score"] == 0.01


def test_a_reason_of_ones_own_is_the_incidents(world: World) -> None:
    with reporting(world) as reporter:
        for _ in range(3):
            reporter.report("pricing", None, verdict="bad", why="Candidate raised ValueError")
        reporter.flush()
        (incident,) = world.rows("incidents")
        assert incident["reason"] == "Candidate raised ValueError; failure threshold 3 reached"


def test_a_report_from_an_earlier_generation_changes_nothing(world: World) -> None:
    with world.committed(settings=SETTINGS["pricing"]) as breaker:
        breaker.disable("by hand", actor="alice")
        breaker.enable("again", actor="alice")
        generation = breaker.get_state().generation
    with reporting(world) as reporter:
        for _ in range(5):
            reporter.report("pricing", BAD, generation=generation - 1)
        reporter.report("pricing", BAD, generation=generation)
        reporter.flush()
        assert world.row()["failures"] == 1


def test_generations_that_take_turns_keep_their_order(world: World) -> None:
    with reporting(world) as reporter:
        for generation in (0, None, 0, 7, None):
            reporter.report("pricing", GOOD if generation == 7 else BAD, generation=generation)
        reporter.flush()
        assert world.row()["status"] == "open", "three of them came before the stray good one, which counts for nobody"


def test_scopes_count_each_for_itself(world: World) -> None:
    with reporting(world) as reporter:
        for _ in range(3):
            reporter.report("pricing", BAD, scope="gpt-4")
            reporter.report("pricing", GOOD, scope="claude")
        reporter.flush()
        assert [(row["scope"], row["status"]) for row in world.rows("breakers")] == [("gpt-4", "open")]


def test_schema_errors_add_up_and_trip(world: World) -> None:
    with reporting(world) as reporter:
        reporter.report_schema_error("pricing", 2, details={"field": "a"})
        reporter.report_schema_error("pricing", 0)
        reporter.flush()
        reporter.report_schema_error("pricing", 3, details={"field": "b"})
        reporter.flush()
        (incident,) = world.rows("incidents")
        assert (incident["severity"], incident["sample_count"], incident["details"]) == ("P3", 5, {"field": "b"})
        assert reporter.counts.reported == 2


def test_one_warning_tells_of_the_highest_score_that_was_not_bad(world: World) -> None:
    settings = {"pricing": BreakerSettings(drift_threshold=0.2, warning_threshold=0.1)}
    with reporting(world, settings=settings) as reporter, told() as events:
        for score in (0.05, 0.12, 0.19, 0.11):
            reporter.report("pricing", score)
        reporter.flush()
    assert [event.facts["score"] for event in events if event.kind == "warning"] == [0.19]


def test_evidence_is_copied_when_it_is_reported(world: World) -> None:
    with reporting(world) as reporter:
        details = {"rows": [1]}
        for _ in range(3):
            reporter.report("pricing", BAD, details=details)
        details["rows"].append(2)
        reporter.flush()
        assert world.rows("incidents")[0]["details"] == {"rows": [1]}


def test_evidence_of_reports_that_wait_takes_the_room_of_the_worst(world: World) -> None:
    with reporting(world) as reporter:
        tracemalloc.start()
        try:
            for number in range(1_000):
                reporter.report("pricing", 0.3 + number / 10_000, details={"text": f"{number:04}" * 15_000})
            reporter.report_schema_error("search", details={"text": "x" * 60_000})
            taken, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert taken < 5_000_000
        reporter.flush()
        (incident,) = world.rows("incidents")
        assert incident["details"] == {"text": "0999" * 15_000}
        assert reporter.counts.flushed == 1_001


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": ""}, "name must have 1 to 200"),
        ({"name": None}, "name must be text"),
        ({"name": ["pricing"]}, "name must be text"),
        ({"scope": None}, "scope must be text"),
        ({"score": float("nan")}, "score must be a finite number >= 0, got nan"),
        ({"score": -0.1}, "score must be a finite number >= 0, got -0.1"),
        ({"score": float("inf")}, "score must be a finite number"),
        ({"score": None}, "score must be a finite number >= 0, got None"),
        ({"score": float("nan"), "verdict": "inconclusive"}, "got nan"),
        ({"verdict": "terrible"}, "verdict must be 'good', 'bad' or 'inconclusive', got 'terrible'"),
        ({"generation": -1}, "generation must be an integer"),
        ({"samples": 0}, "samples must be an integer"),
        ({"why": " ", "verdict": "bad"}, "why must be text that is not blank"),
    ],
    ids=repr,
)
def test_bad_input_is_refused_at_the_call_and_counts_for_nothing(
    world: World, arguments: dict[str, Any], message: str
) -> None:
    with reporting(world) as reporter:
        with pytest.raises(InvalidArgumentError, match=message):
            reporter.report(**{"name": "pricing", "score": BAD, **arguments})
        assert reporter.counts.reported == 0


def test_what_is_no_number_at_all_is_a_type_error_too(world: World) -> None:
    with reporting(world) as reporter, pytest.raises(NotANumberError):
        reporter.report("pricing", "0.3")


def test_a_name_has_one_set_of_settings(world: World) -> None:
    with reporting(world) as reporter:
        reporter.use("pricing", SETTINGS["pricing"])
        reporter.report("search", BAD)
        reporter.use("search", BreakerSettings(drift_threshold=0.9))
        reporter.report("search", BAD)
        with pytest.raises(InvalidArgumentError, match="'search' has other settings already"):
            reporter.use("search", BreakerSettings())
        assert reporter.settings_of("search").drift_threshold == 0.9
        assert reporter.settings_of("never named") == BreakerSettings()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"interval": 0}, "interval"),
        ({"batch": 0}, "batch"),
        ({"capacity": 0}, "capacity"),
        ({"keep": -1}, "keep"),
        ({"patience": None}, "patience"),
        ({"settings": BreakerSettings()}, "settings must map names to BreakerSettings"),
        ({"settings": {"pricing": 0.2}}, "the settings of 'pricing' must be BreakerSettings, got float"),
        ({"settings": {"": BreakerSettings()}}, "name must have 1 to 200"),
        ({"notify": 1}, "notify must be True or False"),
        ({"clock": 3}, "clock must have a method now"),
    ],
    ids=repr,
)
def test_options_that_cannot_be_are_refused(world: World, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        world.reporter(**options)


def test_a_reporter_wants_the_engine_of_its_kind(world: World) -> None:
    wrong: Any = Reporter if world.is_async else AsyncReporter
    with pytest.raises(InvalidArgumentError, match="engine must be a sqlalchemy"):
        wrong(world.engine)


def in_background(world: World, work: Any, **options: Any) -> Any:
    """Run `work(reporter, written)` with a reporter that flushes by itself; `written(n)` waits for so many flushed."""

    async def tasks() -> None:
        async with AsyncReporter(world.engine, **options) as reporter:
            task = asyncio.get_running_loop().run_in_executor(None, work, reporter, wait(reporter))
            await task

    def wait(reporter: Any) -> Any:
        def written(reports: int) -> None:
            for _ in range(1_000):
                if reporter.counts.flushed >= reports:
                    return
                threading.Event().wait(0.01)
            raise AssertionError(reporter.counts)

        return written

    options.setdefault("settings", SETTINGS)
    if world.is_async:
        world.runner.run(tasks())
    else:
        with Reporter(world.engine, **options) as reporter:
            work(reporter, wait(reporter))


def test_it_flushes_in_the_background_and_once_more_when_it_is_closed(world: World) -> None:
    def work(reporter: Any, written: Any) -> None:
        reporter.report("pricing", BAD)
        written(1)
        assert world.row()["failures"] == 1
        reporter.report("pricing", BAD)
        reporter.report("pricing", BAD)

    in_background(world, work, interval=0.05)
    assert changes(world) == ["trip"]


def test_what_is_reported_during_the_last_flush_but_one_is_written_too(world: World) -> None:
    """A slow database is amid a flush when `close` is called: what was reported meanwhile came before that."""
    begun = threading.Event()

    def slow(*_: Any) -> None:
        begun.set()
        threading.Event().wait(0.2)

    def work(reporter: Any, _written: Any) -> None:
        reporter.report("pricing", GOOD)
        assert begun.wait(10)
        for _ in range(3):
            reporter.report("pricing", BAD)

    event.listen(world.sync_engine, "commit", slow)
    in_background(world, work, interval=0.01)
    assert changes(world) == ["trip"]


def test_a_full_batch_does_not_wait_for_the_interval(world: World) -> None:
    def work(reporter: Any, written: Any) -> None:
        for _ in range(500):
            reporter.report("pricing", BAD)
        written(500)

    in_background(world, work, interval=3_600, batch=500)


def test_what_is_reported_after_the_end_is_dropped_and_counted(world: World, caplog: pytest.LogCaptureFixture) -> None:
    reporter = world.reporter(settings=SETTINGS)
    reporter.close()
    with told() as events:
        reporter.report("pricing", BAD)
        reporter.report("pricing", BAD)
        assert reporter.counts.why_dropped == {"closed": 2}
        assert reporter.flush() is True
    assert world.count("breakers") == 0
    assert [event.facts["reports"] for event in events if event.kind == "reporter_dropped"] == [2]
    assert "dropped 2 reports: in all 2 closed" in caplog.text


def test_who_forgets_to_start_it_is_told(world: World, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "driftbreaker"), reporting(world) as reporter:
        reporter.report("pricing", BAD)
        reporter.report("pricing", BAD)
        assert caplog.text.count("the reporter is not started") == 1


def test_who_closed_it_is_not_told_to_start_it(world: World, caplog: pytest.LogCaptureFixture) -> None:
    reporter = world.reporter(settings=SETTINGS)
    reporter.close()
    with caplog.at_level(logging.WARNING, "driftbreaker"):
        reporter.report("pricing", BAD)
    assert "not started" not in caplog.text


def test_listeners_hear_what_was_flushed(world: World) -> None:
    with reporting(world) as reporter, told() as events:
        for _ in range(3):
            reporter.report("pricing", BAD)
        reporter.report("search", GOOD)
        reporter.flush()
    assert [event.kind for event in events] == ["trip", "reporter_flushed"]
    assert events[-1].facts == {"reports": 4, "breakers": 2, "trips": 1}
