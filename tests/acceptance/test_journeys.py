"""The journeys of README and run-book, taken from their text alone."""

from __future__ import annotations

import csv
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session
from tests.support.journeys import ROOT, Step, Taken, journeys, take
from tests.support.terminal import Place

from driftbreaker import BreakerSettings, CircuitBreaker

README, RUN_BOOK = journeys("README.md"), journeys("docs/run-book.md")


def went_well(taken: list[Taken]) -> None:
    for each in taken:
        assert (each.status, each.missing) == (0, []), f"$ {each.step.command}\n{each.output}"


@pytest.fixture
def paged(place: Place) -> Place:
    """V2 was off by half, three times."""
    with Session(place.engine) as session, session.begin():
        breaker = CircuitBreaker(session, "price-v2", settings=BreakerSettings())
        for _ in range(3):
            breaker.report_drift(0.5, details={"model": "gpt-4"})
    return place


def travel(name: str, place: Place, folder: Path) -> list[Taken]:
    taken = take(RUN_BOOK[name], folder, DRIFTBREAKER_DATABASE_URL=place.url)
    went_well(taken)
    return taken


def test_from_nothing_to_the_first_trip_seen_in_five_steps(tmp_path: Path) -> None:
    program = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert program is not None
    (tmp_path / "prices.py").write_text(program[1])
    steps = README["nothing to first trip seen"]
    assert len(steps) <= 5
    taken = take(steps, tmp_path)
    went_well(taken)
    assert "V2 OFF · serving V1  price-v2" in taken[-1].output


def test_from_the_page_to_held_until_morning_in_two_commands(paged: Place, tmp_path: Path) -> None:
    assert len(RUN_BOOK["page to held until morning"]) == 2
    travel("page to held until morning", paged, tmp_path)
    with Session(paged.engine) as session:
        found = CircuitBreaker(session, "price-v2").get_state()
    assert found.is_open
    assert found.held_reason == "V1 serves; we look at it in the morning"
    assert found.held_until is not None
    local = found.held_until.astimezone()
    assert (local.hour, local.minute) == (9, 0)
    assert timedelta(0) < found.held_until - datetime.now(UTC) <= timedelta(hours=25)


def test_taken_with_a_note_and_on_again_in_the_morning(paged: Place, tmp_path: Path) -> None:
    (tmp_path / "night").mkdir()
    (tmp_path / "morning").mkdir()
    travel("taken, with a note", paged, tmp_path / "night")
    travel("on again", paged, tmp_path / "morning")
    with Session(paged.engine) as session:
        breaker = CircuitBreaker(session, "price-v2")
        assert not breaker.is_open()
        (incident,) = breaker.get_incidents(include_resolved=True)
        assert incident.acknowledged_by
        assert [note.body for note in breaker.get_notes(incident.id)] == ["prices of two models changed at 02:00"]


def test_who_did_what_last_quarter_in_one_command(paged: Place, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    begin = datetime(now.year, (now.month - 1) // 3 * 3 + 1, 1, tzinfo=UTC)
    within, before = begin - timedelta(seconds=1), begin - timedelta(days=93)
    for name, at in (("within", within), ("before", before)):
        paged.disable(name, f"because of {name}")
        with paged.engine.begin() as connection:
            change = text("UPDATE driftbreaker_history SET at = :at WHERE name = :name")
            shown = at.replace(tzinfo=None).isoformat(" ", "microseconds")
            connection.execute(change, {"at": at if "postgresql" in paged.url else shown, "name": name})
    assert len(RUN_BOOK["who did what last quarter"]) == 1
    travel("who did what last quarter", paged, tmp_path)
    with (tmp_path / "last-quarter.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["actor"], row["change"], row["name"], row["reason"]) for row in rows] == [
        ("alice", "disable", "within", "because of within")
    ]


def test_no_journey_is_untravelled() -> None:
    here = Path(__file__).read_text()
    for name in (*README, *RUN_BOOK):
        assert f'"{name}"' in here


def test_every_command_that_the_run_book_names_is_one() -> None:
    """What stands within a sentence is not run; it exists at least, with its options."""
    from click.testing import CliRunner

    from driftbreaker.cli.app import app

    named = re.findall(r"`driftbreaker ([^`]+)`", (ROOT / "docs" / "run-book.md").read_text())
    assert len(named) > 5
    for line in named:
        words = re.sub(r'"…"', "because", line).split()
        done = CliRunner().invoke(app, [*words, "--help"], prog_name="driftbreaker")
        assert done.exit_code == 0, f"driftbreaker {line}: {done.output}"


def test_a_page_that_promises_too_much_is_noticed(tmp_path: Path) -> None:
    (lie,) = take([Step("echo V2 ON", ("V2 OFF",))], tmp_path)
    assert lie.missing == ["V2 OFF"]
