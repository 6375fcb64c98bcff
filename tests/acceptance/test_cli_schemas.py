"""Every JSON that a command prints has a committed schema, and keeps to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from jsonschema import Draft202012Validator
from sqlalchemy.orm import Session
from tests.support.inbox import REFUSED, Inbox
from tests.support.schemas import FOLDER, errors, file_of
from tests.support.terminal import Place, cli, process

from driftbreaker import AlertSettings, BreakerSettings, CircuitBreaker
from driftbreaker.cli.app import app

WHY = ("--reason", "because", "--by", "alice")
OWN = BreakerSettings(alert=AlertSettings(labels={"service": "shop"}, runbook_url="https://wiki.example.com/page"))


def every_command(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from every_command(command, (*path, name))
        elif command is not None:
            yield " ".join((*path, name)), command


def prints_json(command: click.Command) -> bool:
    return any(each.name in ("as_json", "output") for each in command.params)


def prints_lines(command: click.Command) -> bool:
    choices = (each.type for each in command.params if each.name == "output" and isinstance(each.type, click.Choice))
    return any("jsonl" in each.choices for each in choices)


SPEAKING = sorted(name for name, command in every_command(app) if prints_json(command))
PRINTING_LINES = sorted(name for name, command in every_command(app) if prints_lines(command))
#: What prints JSON and is validated here, and how; the tests below add to none of it.
VALIDATED: dict[str, tuple[str, ...]] = {
    "check": ("search",),
    "list": (),
    "show": ("pricing",),
    "history": ("pricing",),
    "disable": ("search", *WHY),
    "hold": ("pricing", "--for", "1h", *WHY),
    "enable": ("pricing", "-y", *WHY),
    "reset": ("pricing", "-y", *WHY),
    "force-on": ("search", "--for", "1h", "--confirm", "search", *WHY),
    "observe": ("search", "0.9", "--by", "alice"),
    "incident list": ("pricing", "--all"),
    "incident ack": ("pricing", "--by", "bob"),
    "incident assign": ("pricing", "carol", *WHY),
    "incident note": ("pricing", "the cache?", "--by", "bob"),
    "outbox list": ("--all",),
    "outbox show": ("pricing",),
    "outbox retry": ("--all",),
    "relay": ("--once", "--incident-dir", "{folder}"),
    "alerts test": ("--incident-dir", "{folder}"),
    "demo": ("--requests", "252"),
    "audit export": (),
    "incident show": ("pricing",),
    "watch": ("pricing", "--until", "off"),
    "doctor": (),
    "init": (),
    "schema create": (),
    "schema verify": (),
    "config show": (),
}
WITHOUT_DATABASE = ("alerts test", "demo", "config show")


@pytest.fixture
def busy(place: Place) -> Place:
    """A database with one of everything."""
    with Session(place.engine) as session, session.begin():
        breaker = CircuitBreaker(session, "pricing", settings=OWN)
        for score in (0.9, 0.8, 0.7):
            breaker.report_drift(score, details={"model": "gpt-4"})
        breaker.add_note("who knows?", actor="bob")
        CircuitBreaker(session, "search", settings=OWN).report_drift(0.9)
        CircuitBreaker(session, "closed", scope="gpt-4").disable("once", actor="alice")
        CircuitBreaker(session, "closed", scope="gpt-4").enable("again", actor="alice")
    place.relay(Inbox("good"), Inbox("refusing", answer=REFUSED))
    return place


def test_every_command_that_prints_json_is_validated() -> None:
    assert sorted(VALIDATED) == SPEAKING


@pytest.mark.parametrize("command", SPEAKING)
def test_every_command_that_prints_json_has_a_schema(command: str) -> None:
    assert file_of(command).exists(), f"write docs/reference/schemas/{file_of(command).name}"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.name)
def test_a_schema_is_one(path: Path) -> None:
    schema = json.loads(path.read_text())
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(schema)
    assert path.name == "shapes.json" or path in map(file_of, SPEAKING), "no command prints this"


def printed(command: str, place: Place, folder: Path, *options: str) -> str:
    where = () if command in WITHOUT_DATABASE else ("--db", place.url)
    arguments = [each.format(folder=folder) for each in VALIDATED[command]]
    done = cli(*command.split(), *arguments, *where, *options)
    assert done.exit_code == (1 if command == "doctor" else 0), "a refused alert is a finding: " + done.output
    assert done.stdout
    return done.stdout


@pytest.mark.parametrize("command", sorted(set(SPEAKING) - {"audit export"}))
def test_a_document_keeps_to_its_schema(command: str, busy: Place, tmp_path: Path) -> None:
    document = json.loads(printed(command, busy, tmp_path, "--json"))
    assert errors(command, document) == []


@pytest.mark.parametrize("command", PRINTING_LINES)
def test_a_line_keeps_to_its_schema(command: str, busy: Place, tmp_path: Path) -> None:
    lines = printed(command, busy, tmp_path, "-o", "jsonl").splitlines()
    assert len(lines) > (3 if command == "audit export" else 0)
    for line in lines:
        assert errors(command, json.loads(line), line=True) == []


def test_what_a_relay_says_while_it_runs_keeps_to_its_schema(busy: Place, tmp_path: Path) -> None:
    running = process("relay", "--incident-dir", str(tmp_path), "--json", "--db", busy.url)
    assert running.stdout is not None
    line = json.loads(running.stdout.readline())
    running.terminate()
    running.communicate(timeout=60)
    assert errors("relay", line, line=True) == []


@pytest.mark.parametrize("command", ["show", "list"])
def test_empty_and_rare_shapes_keep_to_their_schema(command: str, place: Place) -> None:
    place.disable("pricing", scope="gpt-4")
    for options in (("--off",), ()) if command == "list" else (("pricing",),):
        done = cli(command, *options, "--db", place.url, "--json")
        assert errors(command, json.loads(done.stdout)) == []
    assert errors("observe", json.loads(cli("observe", "x", "0", "--new", "--db", place.url, "--json").stdout)) == []


def test_what_is_watched_keeps_to_its_schema_line_by_line(busy: Place) -> None:
    running = process("watch", "--json", "--interval", "0.1", "--db", busy.url)
    assert running.stdout is not None
    seen = [json.loads(running.stdout.readline())]
    busy.disable("search", "wrong")
    seen.append(json.loads(running.stdout.readline()))
    running.terminate()
    running.communicate(timeout=60)
    assert [line["event"] for line in seen] == ["seen", "change"]
    assert [errors("watch", line) for line in seen] == [[], []]


def test_what_a_dry_run_would_make_keeps_to_its_schema(busy: Place) -> None:
    assert errors("schema create", json.loads(cli("schema", "create", "-n", "--db", busy.url, "--json").stdout)) == []


def test_the_service_of_the_demo_keeps_to_its_schema() -> None:
    done = cli("demo", "--service", "--requests", "60", "--json")
    assert errors("demo", json.loads(done.stdout)) == []


def test_a_schema_notices() -> None:
    wrong: list[tuple[Any, str]] = [
        ({"breakers": [{}]}, "is a required property"),
        ({"breakers": [], "more": 1}, "Additional properties are not allowed"),
        ({"breakers": {}}, "is not of type 'array'"),
    ]
    for document, said in wrong:
        assert said in " ".join(errors("list", document))
