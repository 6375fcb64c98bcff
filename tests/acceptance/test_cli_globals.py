"""The options that all commands share mean the same everywhere, before the command's name and after it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click
import pytest
from sqlalchemy import inspect, select
from tests.support.commands import OFF, SAMPLES, every_command, furnish
from tests.support.inbox import REFUSED, Inbox
from tests.support.schemas import errors
from tests.support.terminal import Place, cli

from driftbreaker import metadata
from driftbreaker.cli.app import app

DRY = "Nothing was changed: this is what it would be.\n"


def options_of(command: str) -> set[str]:
    found: click.Command | None = app
    for word in command.split():
        assert isinstance(found, click.Group)
        found = found.get_command(click.Context(found), word)
    assert found is not None
    return {option for parameter in found.params for option in parameter.opts}


@pytest.mark.parametrize("command", sorted(every_command()))
def test_every_command_prints_json(command: str) -> None:
    assert "--json" in options_of(command)


@pytest.mark.parametrize("command", sorted(command for command, sample in SAMPLES.items() if sample.writes))
def test_whatever_writes_can_be_tried_dry_but_what_sends(command: str) -> None:
    assert ("-n" in options_of(command)) is (command != "relay")


@pytest.mark.parametrize("command", sorted(every_command()))
def test_every_command_takes_what_is_for_all(command: str) -> None:
    assert {"--no-input", "--local", "--no-color"} <= options_of(command)


def test_what_a_command_would_ignore_is_refused_also_in_a_group(place: Place) -> None:
    done = cli("-n", "schema", "verify", "--db", place.url)
    assert (done.exit_code, "has no -n" in done.stderr) == (2, True)
    assert cli("schema", "--db", place.url, "verify").exit_code == 0


def everything(place: Place) -> Any:
    with place.engine.connect() as connection:
        return [connection.execute(select(table)).all() for table in metadata.sorted_tables]


def timeless(said: str) -> str:
    """What was said but for when, and how long ago."""
    return re.sub(r"[0-9:-]+ UTC \([^)]*\)", "then", said)


@pytest.mark.parametrize(
    "arguments",
    [
        ("incident", "ack", OFF, "--by", "bob"),
        ("incident", "assign", OFF, "carol", "-r", "hers", "--by", "bob"),
        ("incident", "note", OFF, "the cache?", "--by", "bob"),
        ("outbox", "retry", "--all"),
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_a_dry_run_says_what_would_be_and_changes_nothing(arguments: tuple[str, ...], place: Place) -> None:
    furnish(place)
    place.relay(Inbox("refusing", answer=REFUSED))
    before = everything(place)
    dry = cli(*arguments, "-n", "--db", place.url)
    assert (dry.exit_code, dry.stderr.endswith(DRY)) == (0, True)
    in_json = json.loads(cli("-n", *arguments, "--json", "--db", place.url).stdout)
    assert (in_json["dry_run"], errors(" ".join(arguments[:2]), in_json)) == (True, [])
    assert everything(place) == before
    real = cli(*arguments, "--db", place.url)
    assert real.exit_code == 0
    assert timeless(real.stdout) == timeless(dry.stdout)
    assert DRY not in real.stderr
    assert everything(place) != before


def test_a_dry_init_makes_nothing(place: Place, tmp_path: Path) -> None:
    metadata.drop_all(place.engine)
    urls = [place.url] + ([f"sqlite:///{tmp_path}/new.db"] if "sqlite" in place.url else [])
    for url in urls:
        dry = cli("init", "-n", "--db", url)
        assert (dry.exit_code, "CircuitBreaker" in dry.stdout) == (0, True)
        assert "Would make 7 tables or indexes in " in dry.stderr
        in_json = json.loads(cli("init", "-n", "--json", "--db", url).stdout)
        assert (in_json["made"], in_json["dry_run"]) == (sorted(metadata.tables), True)
    assert inspect(place.engine).get_table_names() == []
    assert not (tmp_path / "new.db").exists()
    made = json.loads(cli("init", "--json", "--db", place.url).stdout)
    assert made == {**in_json, "dry_run": False}
    assert made["code"] + "\n" == cli("init", "--db", place.url).stdout
    assert cli("init", "-n", "--db", place.url).exit_code == 0


def test_a_dry_init_refuses_tables_of_another_version(place: Place) -> None:
    with place.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE driftbreaker_breakers DROP COLUMN forced_by")
    done = cli("init", "-n", "--db", place.url)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "another version's" in done.stderr


@pytest.mark.parametrize(
    ("before", "after"),
    [(("--json",), ()), ((), ("--json",)), (("-o", "jsonl"), ()), ((), ("-o", "jsonl"))],
)
def test_json_for_what_is_a_stream_is_a_document_a_line(
    before: tuple[str, ...], after: tuple[str, ...], place: Place
) -> None:
    furnish(place)
    for command in (("watch", OFF, "--until", "off"), ("audit", "export")):
        done = cli(*before, *command, *after, "--db", place.url)
        assert done.exit_code == 0, done.output
        named = "watch" if "watch" in command else "audit export"
        found = [errors(named, json.loads(line), line=True) for line in done.stdout.splitlines()]
        assert found
        assert found == [[]] * len(found)


def test_a_stream_prints_no_single_document(place: Place) -> None:
    assert "prints table or jsonl, and no json" in cli("-o", "json", "watch", "--db", place.url).stderr
    assert "prints csv or jsonl, and no json" in cli("-o", "json", "audit", "export", "--db", place.url).stderr
    assert "which of them?" in cli("audit", "export", "--json", "-o", "csv", "--db", place.url).stderr
