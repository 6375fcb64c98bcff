"""`driftbreaker demo --service`: a service of several processes over one database, and when each hears of a trip."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, func, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError
from tests.support.alertmanagers import eventually
from tests.support.terminal import cli, process

from driftbreaker import metadata
from driftbreaker.cli.demo.application import application

HIDDEN = "hunter2"
MISTRAL, LUNA = "mistral-medium-latest", "gpt-5.6-luna"
ESTIMATES = application.tables["driftbreaker_demo_estimates"]


def demo(*options: str) -> str:
    running = process("demo", "--service", *options)
    out, said = running.communicate(timeout=120)
    assert (running.returncode, said) == (0, "")
    return out


@pytest.fixture(scope="module")
def screen() -> str:
    return demo()


@pytest.fixture(scope="module")
def document() -> Any:
    return json.loads(demo("--json"))


@pytest.fixture
def engine(sqlite_url: str) -> Iterator[Engine]:
    engine = create_engine(sqlite_url)
    yield engine
    engine.dispose()


def children(pid: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        try:
            status = (entry / "stat").read_text() if entry.name.isdigit() else ""
        except OSError:
            continue  # it ended meanwhile
        if status and int(status.rpartition(")")[2].split()[1]) == pid:
            found.append(int(entry.name))
    return found


def is_running(pid: int) -> bool:
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def answers(port: int) -> bool:
    with socket.socket() as line:
        return line.connect_ex(("127.0.0.1", port)) == 0


def served(engine: Engine) -> int:
    try:
        with engine.connect() as connection:
            return connection.scalar(select(func.count()).select_from(ESTIMATES)) or 0
    except OperationalError:  # no table yet
        return 0


def under_way(engine: Engine, *options: str) -> tuple[subprocess.Popen[str], list[int]]:
    """Start a demo that would take minutes; return it and its workers once they serve."""
    url = engine.url.render_as_string(hide_password=False)
    running = process("demo", "--service", "--requests", "50000", "--db", url, *options)
    eventually(lambda: served(engine) > 20, "it serves", 60)
    workers = children(running.pid)
    assert len(workers) == 2
    return running, workers


def test_screen_tells_the_story_in_order(screen: str) -> None:
    story = [
        "A FastAPI service prices LLM requests, in 2 processes over one database.",
        "● V2 ON · serving V2   600 requests over HTTP",
        "● closed",
        f"■ V2 OFF · serving V1   {MISTRAL} alone",
        "06-16 mistral-medium-latest 0.4/2 → 1.5/7.5 USD per Mtok",
        "Drift score 2.75 above 0.2",
        "worker 1",
        "worker 2",
        f"■ V2 OFF · serving V1   {LUNA} alone",
        "07-30 gpt-5.6-luna 1/6 → 0.2/1.2 USD per Mtok",
        "worker 1",
        "worker 2",
        "V2 IN SHADOW · serving V1   the same 600 requests by another route",
        "It served nobody.",
        f"Breakers that opened all the same: {LUNA}; {MISTRAL}",
        "(deleted now)",
        "driftbreaker outbox list --db",
    ]
    place = 0
    for part in story:
        assert part in screen[place:], part
        place = screen.index(part, place) + len(part)
    assert len(re.findall(r"worker [12] .* here ", screen)) == 2


def test_screen_fits_eighty_columns(screen: str) -> None:
    lines = screen.splitlines()
    assert len(lines) <= 42
    # The path of the database is the machine's, and may be long.
    assert max(len(line) for line in lines if not line.startswith("Ran on")) <= 80


def test_a_model_that_drifts_is_turned_off_alone_and_by_the_third_of_its_requests(document: Any) -> None:
    models = {row["model"]: row for row in document["traffic"]["models"]}
    assert {name for name, row in models.items() if row["open"]} == {MISTRAL, LUNA}
    assert sum(row["requests"] for row in models.values()) == document["traffic"]["requests"] == 600
    assert all(row["served_by_control"] == 0 for row in models.values() if not row["open"])
    assert [trip["model"] for trip in document["trips"]] == [MISTRAL, LUNA]
    # The third bad one of the stream, or, where a client was held up with one, a later one; never an earlier.
    for trip, third in zip(document["trips"], (123, 429), strict=True):
        assert third <= trip["request"] <= third + 60
    for trip in document["trips"]:
        row = models[trip["model"]]
        assert row["served_by_control"] > 0
        assert trip["incident"]["scope"] == trip["model"]


def test_each_worker_hears_of_each_trip(document: Any) -> None:
    numbers = [worker["worker"] for worker in document["workers"]]
    assert numbers == [1, 2]
    for trip in document["trips"]:
        assert [stop["worker"] for stop in trip["stops"]] == numbers
        assert trip["worker"] in numbers
        # All that the model was served until the commit; the other client's request may have been under way.
        before = sum(stop["served_by_candidate_before"] for stop in trip["stops"])
        assert abs(before - trip["request_of_model"]) <= 1
        # A poll a second; the rest is what a busy machine needs.
        assert all(stop["after_seconds"] < 5 for stop in trip["stops"])


def test_in_shadow_v2_serves_nobody_and_its_breakers_open_all_the_same(document: Any) -> None:
    shadow = document["shadow"]
    assert shadow == {
        "breaker": "cost-estimator-v2-in-shadow",
        "requests": 600,
        "served_by_candidate": 0,
        "open": [LUNA, MISTRAL],
    }


def test_nothing_is_left_behind(document: Any) -> None:
    assert document["left_behind"] is None
    assert not Path(document["database"]["url"].removeprefix("sqlite:///")).exists()
    assert not [worker for worker in document["workers"] if is_running(worker["pid"]) or answers(worker["port"])]


def test_on_postgresql_three_workers_are_told_and_each_quote_is_a_row(postgres_url: str) -> None:
    url = make_url(postgres_url).set(password=HIDDEN)  # the throwaway server asks for none
    out = demo("--workers", "3", "--db", url.render_as_string(hide_password=False), "--json")
    document = json.loads(out)
    assert HIDDEN not in out
    assert document["database"]["listens"] is True
    assert [[stop["worker"] for stop in trip["stops"]] for trip in document["trips"]] == [[1, 2, 3]] * 2
    name, in_shadow = document["left_behind"]["breakers"]
    assert name.startswith("demo-")
    engine = create_engine(postgres_url)
    incidents = metadata.tables["driftbreaker_incidents"]
    with engine.connect() as connection:
        found = connection.execute(select(incidents.c.name, incidents.c.scope).order_by(incidents.c.seq)).all()
    assert [row.scope for row in found if row.name == name] == [MISTRAL, LUNA]
    assert {row.scope for row in found if row.name == in_shadow} == {MISTRAL, LUNA}
    assert len(found) == 4
    assert served(engine) == 600 + document["traffic"]["asked_again"]
    engine.dispose()


def test_interrupted_it_ends_its_workers(engine: Engine) -> None:
    running, workers = under_way(engine)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "Traceback" not in said
    assert not [pid for pid in workers if is_running(pid)]


def test_killed_it_leaves_workers_that_end_by_themselves(engine: Engine) -> None:
    running, workers = under_way(engine)
    running.kill()
    running.communicate(timeout=60)
    eventually(lambda: not [pid for pid in workers if is_running(pid)], "they end", 30)


def test_a_worker_that_dies_is_one_line_and_ends_the_others(engine: Engine) -> None:
    running, workers = under_way(engine)
    os.kill(workers[0], signal.SIGKILL)
    out, said = running.communicate(timeout=60)
    assert (running.returncode, out) == (1, "")
    assert "did not answer" in said
    assert len(said.splitlines()) == 1
    assert not [pid for pid in workers if is_running(pid)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--workers", "2"), "--workers goes with --service"),
        (("--service", "--alertmanager", "http://127.0.0.1:1"), "--alertmanager goes without --service"),
    ],
)
def test_options_that_do_not_go_together_are_said(options: tuple[str, ...], message: str) -> None:
    done = cli("demo", *options)
    assert done.exit_code == 2
    assert message in done.stderr


def test_too_little_traffic_to_trip_is_said() -> None:
    done = cli("demo", "--service", "--requests", "3", "--workers", "1")
    assert (done.exit_code, done.stderr) == (0, "")
    assert "in one process over one database." in done.stdout
    assert "No trip in 3 requests: try more of them, or another --seed." in done.stdout


@pytest.mark.parametrize("missing", ["fastapi", "uvicorn"])
def test_without_what_it_needs_it_says_what_to_install(missing: str) -> None:
    program = (
        f"import sys; sys.modules[{missing!r}] = None; sys.argv = ['driftbreaker', 'demo', '--service']\n"
        "from driftbreaker.cli import main\nmain()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"Error: the demo needs {missing}: pip install 'driftbreaker[demo]'\n"
