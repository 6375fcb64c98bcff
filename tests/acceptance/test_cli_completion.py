"""Tab completes the names of breakers, and stays silent where there is nobody to ask."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from tests.support.terminal import Place

from driftbreaker.cli import completion
from driftbreaker.cli.app import app
from driftbreaker.cli.breakers.showing import show
from driftbreaker.cli.completion import names
from driftbreaker.cli.groups import LazyGroup


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever tests on a busy machine waits longer than who pressed Tab."""
    monkeypatch.setattr(completion, "PATIENCE", 30)


def completed(line: str, **environment: str) -> list[str]:
    """What a shell is told after this line, the last word of which is not finished."""
    last = str(len(line.split(" ")) - 1)
    asked = {"_DRIFTBREAKER_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": last}
    done = CliRunner().invoke(app, [], prog_name="driftbreaker", env={**asked, **environment})
    assert (done.stderr, done.exception and done.exception.args) in (("", None), ("", (1,)), ("", (0,)))
    return [answer.partition(",")[2] for answer in done.stdout.splitlines() if answer]


def test_names_that_begin_so(place: Place) -> None:
    for name in ("pricing", "price-v2", "search", "Pricing", "pri%", "two words", "two\nlines"):
        place.disable(name)
    assert completed(f"driftbreaker --db {place.url} show pri") == ["pri%", "price-v2", "pricing"]
    assert completed(f"driftbreaker show --db {place.url} pri%") == ["pri%"]
    assert completed("driftbreaker incident ack t", DRIFTBREAKER_DATABASE_URL=place.url) == ["two words"]
    assert "search" in completed("driftbreaker audit export --breaker ", DRIFTBREAKER_DATABASE_URL=place.url)


def test_commands_and_options_are_completed_without_a_database() -> None:
    assert completed("driftbreaker for") == ["force-on"]
    assert "--until" in completed("driftbreaker hold pricing --")


@pytest.mark.parametrize(
    "url", ["", "nonsense", "sqlite:////no/such/file.db", "postgresql+psycopg://u:hunter2@127.0.0.1:1/x", "mongo://x"]
)
def test_nobody_to_ask_is_silence(url: str) -> None:
    assert completed("driftbreaker show pri", DRIFTBREAKER_DATABASE_URL=url) == []


def test_missing_tables_are_silence(tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()
    assert completed("driftbreaker show pri", DRIFTBREAKER_DATABASE_URL=f"sqlite:///{tmp_path}/empty.db") == []


def test_a_server_that_does_not_answer_is_waited_for_less_than_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    with socket.create_server(("127.0.0.1", 0)) as silent, click.Context(app) as ctx:
        ctx.meta["driftbreaker.given"] = {"url": f"postgresql+psycopg://u@127.0.0.1:{silent.getsockname()[1]}/x"}
        began = time.monotonic()
        assert names(ctx, show.params[0], "pri") == []
        assert time.monotonic() - began < 1


def test_every_name_is_completed() -> None:
    def forgotten(group: LazyGroup) -> list[str]:
        context, found = click.Context(group), []
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            if isinstance(command, LazyGroup):
                found += forgotten(command)
            elif command is not None:
                found += [
                    name
                    for each in command.params
                    if isinstance(each, click.Argument)
                    and each.name == "name"
                    and each._custom_shell_complete is not names
                ]
        return found

    assert isinstance(app, LazyGroup)
    assert forgotten(app) == []
