"""`driftbreaker demo`, run as people and machines run it."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import create_engine, inspect, select
from sqlalchemy.engine import make_url

from driftbreaker import metadata
from driftbreaker.cli.app import app

HIDDEN = "hunter2"
TABLES = (
    "driftbreaker_demo_estimates",
    "driftbreaker_breakers",
    "driftbreaker_incidents",
    "driftbreaker_outbox",
    "driftbreaker_history",
)


def demo(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    return subprocess.run(
        [sys.executable, "-m", "driftbreaker.cli", "demo", *options],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        env={**inherited, "PYTHONIOENCODING": "utf-8", **environment},
    )


@pytest.fixture(scope="module")
def screen() -> str:
    done = demo()
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture(scope="module")
def document() -> Any:
    done = demo("--json")
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_screen_tells_the_whole_story_in_order(screen: str) -> None:
    story = [
        "● V2 ON · serving V2   252 requests, each in a transaction of its own",
        "06-16 mistral-medium-latest 0.4/2 → 1.5/7.5",
        "██✖○",
        "07-30 gpt-5.6-luna 1/6 → 0.2/1.2",
        "07-30 gpt-5.6-terra 2.5/15 → 2/12",
        "■ V2 OFF · serving V1   tripped at observation 197 (2026-08-05 11:17 UTC): 0.80, 2.75, 0.80",
        "the application   196 rows              197 rows",
        "the breaker       closed, 2 in a row    open, 3 in a row",
        "55 requests since, priced by V1 alone. Ends in 24 h",
        "ROLLBACK leaves no trace",
        "Rows left in those 5 tables: 0; alerts waiting: 0; the breaker is closed.",
        '■ V2 OFF · serving V1   by hand, alice: "finance closes the month" (P2)',
        '● V2 ON · serving V2   by hand, alice: "month closed"',
        "tripped, with a time to live of 1 s",
        "resolved by system-auto-recover",
        "driftbreaker demo --json",
    ]
    places = [screen.find(part) for part in story]

    assert -1 not in places, story[places.index(-1)]
    assert places == sorted(places)


@pytest.mark.parametrize("options", [[], ["--requests", "3000"], ["--db"]])
def test_screen_fits_a_screen(options: list[str], tmp_path: Path) -> None:
    url = [f"sqlite:///{tmp_path / 'demo.db'}"] if "--db" in options else []
    lines = demo(*options, *url).stdout.splitlines()

    assert 30 < len(lines) <= 45
    # The path of the database is the machine's, and may be long.
    assert max(len(line) for line in lines if not line.startswith("Ran on")) <= 100


def test_a_pipe_gets_no_escape_codes(screen: str) -> None:
    assert "\x1b" not in screen


@pytest.mark.parametrize(("no_color", "coloured"), [(None, True), ("", True), ("1", False)])
def test_a_terminal_gets_colour_unless_no_color_is_set(no_color: str | None, *, coloured: bool) -> None:
    shown = CliRunner().invoke(app, ["demo", "--requests", "20"], color=True, env={"NO_COLOR": no_color})

    assert shown.exit_code == 0
    assert ("\x1b[" in shown.stdout) is coloured


def test_an_encoding_without_the_signs_gets_ascii() -> None:
    done = demo("--requests", "20", PYTHONIOENCODING="ascii")

    assert done.returncode == 0
    assert "* V2 ON . serving V2" in done.stdout


def test_temporary_database_is_deleted(document: Any) -> None:
    assert document["database"]["temporary"] is True
    assert not Path(document["database"]["url"].removeprefix("sqlite:///")).exists()


def test_document_has_the_exact_facts_of_the_default_seed(document: Any) -> None:
    traffic, trip = document["traffic"], document["trip"]

    assert document["seed"] == 5
    assert [traffic[key] for key in ("requests", "served_by_candidate", "served_by_control")] == [
        252,
        197,
        55,
    ]
    assert [row["above_threshold"] for row in traffic["fortnights"]] == [0, 1, 5, 1, 11, 0]
    assert [row["served_by_control"] for row in traffic["fortnights"]] == [0, 0, 0, 0, 13, 42]
    assert (trip["observation"], trip["model"]) == (197, "gpt-5.6-luna")
    assert trip["scores"] == [0.8, 2.75, 0.8]
    assert (trip["incident"]["severity"], trip["incident"]["drift_score"]) == ("P1", 0.8)


def check_trip_was_atomic(document: Any) -> None:
    before, after = document["trip"]["before_commit"], document["trip"]["after_commit"]

    assert (before["status"], before["consecutive_failures"]) == ("closed", 2)
    assert before["rows"] == dict(zip(TABLES, [196, 1, 0, 0, 0], strict=True))
    assert (after["status"], after["consecutive_failures"]) == ("open", 3)
    assert after["rows"] == dict(zip(TABLES, [197, 1, 1, 1, 1], strict=True))
    assert document["rollback"]["incident_inside"]
    assert document["rollback"]["rows_afterwards"] == dict.fromkeys(TABLES, 0)


def test_trip_is_invisible_before_the_commit_and_rollback_leaves_no_row(document: Any) -> None:
    check_trip_was_atomic(document)


def test_postgresql_tells_the_same_story_and_hides_its_password(postgres_url: str) -> None:
    url = make_url(postgres_url).set(password=HIDDEN)  # the throwaway server asks for none
    done = demo("--db", url.render_as_string(hide_password=False), "--json")

    assert (done.returncode, done.stderr) == (0, "")
    assert HIDDEN not in done.stdout
    check_trip_was_atomic(json.loads(done.stdout))


def test_hand_and_clock_both_end_an_opening(document: Any) -> None:
    manual, recovery = document["manual"], document["recovery"]

    assert (manual["actor"], manual["incident"]["severity"]) == ("alice", "P2")
    assert (manual["open_between"], manual["open_afterwards"]) == (True, False)
    assert recovery["seen_open"] is True
    assert recovery["waited_seconds"] >= recovery["ttl_seconds"] - 0.1
    assert recovery["incident"]["resolved_by"] == "system-auto-recover"


def test_a_database_of_ones_own_keeps_the_rows_of_demo_breakers_only(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'kept.db'}"
    runs = [json.loads(demo("--db", url, "--json").stdout) for _ in range(2)]
    left = [name for run in runs for name in run["left_behind"]["breakers"]]

    engine = create_engine(url)
    with engine.connect() as connection:
        kept = connection.scalars(select(metadata.tables["driftbreaker_breakers"].c.name)).all()
    assert set(TABLES) <= set(inspect(engine).get_table_names())
    engine.dispose()

    assert Counter(kept) == Counter(name for name in left if not name.endswith("-rolled-back"))
    assert all(name.startswith("demo-") for name in kept)
    assert len(set(left)) == 8


def test_too_little_traffic_to_trip_is_said_and_not_hidden() -> None:
    done = demo("--requests", "20")

    assert done.returncode == 0
    assert "No trip in 20 requests: try more of them, or another --seed." in done.stdout


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nonsense", "--db takes a database URL"),
        ("postgresql://u:hunter2@host:port/x", "cannot read this one"),
        ("mongo://u:hunter2@host/x", "no database is called 'mongo'"),
        ("mysql+pymysql://u:hunter2@host/x", "driftbreaker speaks SQLite and PostgreSQL, not mysql"),
        (
            "postgresql+asyncpg://u:hunter2@host/x",
            "postgresql+asyncpg is an async driver and the demo is not",
        ),
        ("postgresql+psycopg2://u:hunter2@host/x", "pip install 'psycopg2-binary'"),
        (
            "postgresql+psycopg://u:hunter2@127.0.0.1:1/x",
            "cannot use postgresql+psycopg://u:***@127.0.0.1:1/x",
        ),
        ("sqlite://", "which an in-memory SQLite has not"),
        ("sqlite:////no/such/folder/x.db", "unable to open database file"),
    ],
)
def test_a_database_that_cannot_be_used_is_one_line_without_the_password(url: str, message: str) -> None:
    done = demo("--db", url)

    assert done.returncode == 1
    assert done.stdout == ""
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert HIDDEN not in done.stderr
