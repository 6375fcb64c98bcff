"""The options that commands share stand before the command's name or after it, and what stands after wins."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from driftbreaker.cli.database import database_option, json_option
from driftbreaker.cli.groups import Lazy, LazyGroup
from driftbreaker.cli.options import given
from driftbreaker.cli.output import chosen, format_options
from driftbreaker.cli.people import by_option, dry_run_option, is_attended, yes_option
from driftbreaker.cli.text import instant

AT = datetime(2026, 11, 23, 22, 0, tzinfo=UTC)


@click.command("rows")
@database_option
@format_options
def rows(url: str | None, output: str | None, as_json: bool) -> None:
    click.echo(f"{url} {chosen(output, as_json)} {given('table_prefix')} {given('schema')}")


@click.command("one")
@json_option
def one(as_json: bool) -> None:
    click.echo(f"{as_json}")


@click.command("change")
@by_option
@yes_option
@dry_run_option
def change(by: str | None, yes: bool, dry_run: bool) -> None:
    click.echo(f"{by} {yes} {dry_run} {is_attended()}")


@click.command("look")
def look() -> None:
    click.secho(instant(AT), fg="red")


HERE = {name: Lazy(__name__, name, name) for name in ("rows", "one", "change", "look")}
inner = LazyGroup(name="inner", lazy=HERE)
whole = LazyGroup(name="whole", lazy={**HERE, "inner": Lazy(__name__, "inner", "inner")}, is_root=True)


def run(line: str, *, color: bool = False) -> Result:
    return CliRunner().invoke(whole, line.split(), color=color)


def said(line: str) -> str:
    done = run(line)
    assert done.exit_code == 0, done.output
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("line", "comes_to"),
    [
        ("rows", "None table None None"),
        ("--db x rows", "x table None None"),
        ("rows --db x", "x table None None"),
        ("--db x rows --db y", "y table None None"),
        ("--db x inner --db y rows", "y table None None"),
        ("inner --db x rows --db y", "y table None None"),
        ("--json rows", "None json None None"),
        ("-o csv rows", "None csv None None"),
        ("-o csv rows -o jsonl", "None jsonl None None"),
        ("--json rows -o csv", "None csv None None"),
        ("-o csv rows --json", "None json None None"),
        ("-o json --json rows", "None json None None"),
        ("rows -o json --json", "None json None None"),
        ("--table-prefix a_ rows --schema b", "None table a_ b"),
        ("--table-prefix a_ rows --table-prefix c_", "None table c_ None"),
        ("one", "False"),
        ("--json one", "True"),
        ("-o json one", "True"),
        ("one -o json", "True"),
        ("--json one -o table", "False"),
        ("-o table one --json", "True"),
        ("change", "None False False False"),
        ("--by alice -y -n change", "alice True True False"),
        ("--by alice change --by bob", "bob False False False"),
    ],
)
def test_before_or_after_and_after_wins(line: str, comes_to: str) -> None:
    assert said(line) == comes_to


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("rows --json -o csv", "--json and -o csv are both given"),
        ("rows -o csv --json", "--json and -o csv are both given"),
        ("--json -o csv rows", "--json and -o csv are both given"),
        ("one --json -o table", "--json and -o table are both given"),
        ("-o csv one", "prints table or json, and no csv"),
        ("-n rows", "whole rows has no -n"),
        ("inner -n rows", "whole inner rows has no -n"),
        ("-n inner rows", "whole inner rows has no -n"),
        ("--json change", "whole change has no --json"),
        ("-o json change", "whole change has no -o"),
        ("rows -n", "No such option"),
    ],
)
def test_what_a_command_would_ignore_is_refused(line: str, message: str) -> None:
    done = run(line)
    assert (done.exit_code, done.stdout) == (2, "")
    assert message in done.stderr


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("zone")
@pytest.mark.parametrize(
    ("line", "comes_to"),
    [
        ("look", "2026-11-23 22:00:00 UTC"),
        ("--local look", "2026-11-23 23:00:00 CET"),
        ("look --local", "2026-11-23 23:00:00 CET"),
        ("--local look --utc", "2026-11-23 22:00:00 UTC"),
    ],
)
def test_times_are_utc_unless_the_reader_wants_their_own(line: str, comes_to: str) -> None:
    assert said(line) == comes_to


@pytest.mark.parametrize("line", ["--no-color look", "look --no-color"])
def test_no_colour(line: str) -> None:
    assert "\x1b[31m" in run("look", color=True).stdout
    assert "\x1b" not in run(line, color=True).stdout


def test_nobody_is_asked_who_does_not_want_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    def terminal(*_: Any) -> bool:
        return True

    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", terminal, raising=False)
    assert said("change") == "None False False True"
    assert said("--no-input change") == "None False False False"
    assert said("change --no-input") == "None False False False"


def test_one_run_leaves_nothing_to_the_next() -> None:
    said("--db x --json -y rows")
    assert said("rows") == "None table None None"


def test_help_shows_them_once() -> None:
    assert "--no-color" in said("--help")
    assert "  --no-color  " not in said("rows --help")
    assert "driftbreaker --help" in said("rows --help")
    assert os.environ.get("TZ") != "Europe/Berlin"
