"""examples/costsim is run as its README says: on SQLite in this process, and by uvicorn's workers on both databases."""

from __future__ import annotations

import csv
import importlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.request import urlopen

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import create_engine, func, inspect, select, text
from tests.support.alertmanagers import eventually

from driftbreaker import metadata
from driftbreaker.scores import relative_delta

EXAMPLES = Path(__file__).parents[2] / "examples"
README = EXAMPLES / "costsim" / "README.md"
DATA = os.environ.get("DRIFTBREAKER_DATA")
SMALL = "model=mistral-small-latest&input_tokens=374&output_tokens=44"


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[str], Any]]:
    """Import the example anew, on a database of this test's."""
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'costsim.db'}")
    monkeypatch.syspath_prepend(EXAMPLES)
    yield lambda name: importlib.import_module(f"costsim.{name}")
    sys.modules["costsim.tables"].engine.dispose()
    for name in [name for name in sys.modules if name.partition(".")[0] == "costsim"]:
        del sys.modules[name]


@pytest.fixture
def app(module: Callable[[str], ModuleType]) -> Any:
    module("tables").create()
    return module("app")


def sessions_of_the_readme() -> list[tuple[str, str]]:
    blocks = re.findall(r"```console\n(.*?)```", README.read_text(), re.DOTALL)
    commands = "".join(blocks).split("$ ")[1:]
    return [(command, answer.strip()) for command, _, answer in (each.partition("\n") for each in commands)]


def test_the_session_of_the_readme_is_what_happens(app: Any) -> None:
    steps = sessions_of_the_readme()
    assert len(steps) == 12
    with TestClient(app.app) as client:
        for number, (command, answer) in enumerate(steps):
            if command == "sleep 1":
                name = app.SERVED if number < 6 else app.SHADOWED
                handle = app.board.handle(name, "mistral-small-latest")
                eventually(lambda handle=handle: handle.is_open, f"{name} opens")
                continue
            path = re.fullmatch(r"curl 'localhost:8000(.*)'", command)
            assert path is not None, command
            assert client.get(path[1]).text == answer


def test_a_quote_that_rolls_back_takes_its_drift_with_it(app: Any) -> None:
    engine = app.engine
    with TestClient(app.app, raise_server_exceptions=False) as client:
        with engine.begin() as connection:
            connection.execute(text("DROP TABLE costsim_quotes"))
        assert [client.get(f"/quote?{SMALL}").status_code for _ in range(4)] == [500] * 4
        assert client.get("/breakers").json()[app.SERVED]["mistral-small-latest"] == "closed"
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(metadata.tables["driftbreaker_breakers"])) == 0


def test_every_page_leads_to_a_run_book(app: Any) -> None:
    with TestClient(app.app) as client:
        for path in ("quote", "shadow-quote"):
            assert [client.get(f"/{path}?{SMALL}").status_code for _ in range(3)] == [200] * 3
        outbox = metadata.tables["driftbreaker_outbox"].c
        told = select(outbox.name, outbox.runbook_url)

        def found() -> list[tuple[str, str]]:
            with app.engine.connect() as connection:
                return sorted(tuple(row) for row in connection.execute(told))

        eventually(lambda: len(found()) == 2, "both have tripped")
    assert found() == [(name, app.RUN_BOOK) for name in sorted((app.SERVED, app.SHADOWED))]
    run_book = README.parent / "../../docs/run-book.md"
    assert run_book.resolve().exists()
    assert "[run-book](../../docs/run-book.md)" in README.read_text()
    assert app.RUN_BOOK in README.read_text()


def test_each_quote_is_a_row_beside_the_breakers(app: Any) -> None:
    with TestClient(app.app) as client:
        for model in ("gpt-4o", "gemini-1.5-pro"):
            client.get(f"/quote?model={model}&input_tokens=10&output_tokens=10")
    with app.engine.connect() as connection:
        found = connection.execute(text("SELECT model, usd, served_by FROM costsim_quotes ORDER BY id")).all()
    assert [tuple(row) for row in found] == [("gpt-4o", 0.000125, "V2"), ("gemini-1.5-pro", 0.0000625, "V2")]


def test_what_clients_make_up_is_refused_and_gets_no_breaker(app: Any) -> None:
    with TestClient(app.app) as client:
        for asked in ("model=gpt-99&input_tokens=1&output_tokens=1", "model=gpt-4o&input_tokens=-1&output_tokens=1"):
            assert client.get(f"/quote?{asked}").status_code == 422
            assert client.get(f"/shadow-quote?{asked}").status_code == 422


def get(port: int, path: str) -> Any:
    with urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
        return json.load(answer)


@contextmanager
def uvicorn(url: str, log: Path) -> Iterator[int]:
    """Run it with two workers, as the README does; yield the port."""
    environment = {**os.environ, "DATABASE_URL": url}
    subprocess.run([sys.executable, "-m", "costsim.tables"], cwd=EXAMPLES, env=environment, check=True, timeout=60)
    command = [sys.executable, "-m", "uvicorn", "costsim.app:app", "--workers", "2", "--port", "0"]
    with (
        log.open("w") as said,
        subprocess.Popen(command, cwd=EXAMPLES, env=environment, stderr=said, stdout=said) as it,
    ):
        try:
            eventually(lambda: log.read_text().count("Application startup complete.") == 2, "both start", 60)
            found = re.search(r"running on http://127\.0\.0\.1:(\d+)", log.read_text())
            assert found is not None
            yield int(found[1])
        finally:
            it.send_signal(signal.SIGTERM)
            it.wait(30)
    assert log.read_text().count("Application shutdown complete.") == 2
    assert "Traceback" not in log.read_text()


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_two_workers_of_uvicorn_stop_serving_what_one_of_them_tripped(
    database: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url: str = request.getfixturevalue("postgres_url") if database == "postgres" else f"sqlite:///{tmp_path / 'x.db'}"
    with uvicorn(url, tmp_path / "log") as port:
        assert [get(port, f"/quote?{SMALL}")["served_by"] for _ in range(3)] == ["V2"] * 3
        # Each request is a connection of its own, and each worker accepts some of twenty.
        eventually(
            lambda: {get(port, f"/quote?{SMALL}")["served_by"] for _ in range(20)} == {"V1"}, "both workers hear", 20
        )
        assert get(port, "/quote?model=gpt-4o&input_tokens=1&output_tokens=1")["served_by"] == "V2"

        def shadowed() -> str:
            assert get(port, f"/shadow-quote?{SMALL}") == {"usd": "0.000506", "served_by": "V1"}
            return str(get(port, "/breakers")["april-prices-in-shadow"])

        eventually(lambda: "'mistral-small-latest': 'open'" in shadowed(), "the shadow's breaker opens", 20)
        assert shadowed().count("open") == 1
    engine = create_engine(url)
    assert "costsim_quotes" in inspect(engine).get_table_names()
    engine.dispose()


if DATA:

    def test_cents_hide_what_the_readme_says(module: Callable[[str], Any]) -> None:
        prices = module("prices")
        module("tables")
        with (Path(str(DATA)) / "azure-llm-2023" / "AzureLLMInferenceTrace_conv.csv").open(newline="") as lines:
            traffic = [(int(row["ContextTokens"]), int(row["GeneratedTokens"])) for row in csv.DictReader(lines)]
        small = [each for each in traffic if each[0] < 1_000]

        def cents(usd: Decimal) -> int:
            return round(usd * 100)

        def free(model: Any) -> int:
            return sum(cents(prices.february(model, *each)) == 0 for each in small)

        assert (len(small), free(prices.Model.MISTRAL)) == (9_039, 9_039)
        assert free(prices.Model.GPT_4O) / len(small) == pytest.approx(0.913, abs=0.001)
        score = relative_delta()
        pairs = [[table(prices.Model.MISTRAL, *each) for table in (prices.february, prices.april)] for each in traffic]
        assert {score(*pair) for pair in pairs} == {0.9}
        blind = sum(score(*map(cents, pair)) == 0 for pair in pairs)
        assert blind / len(traffic) == pytest.approx(0.9935, abs=0.0005)
