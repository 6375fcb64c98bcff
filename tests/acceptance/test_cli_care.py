"""The doctor, the tables, and the settings, as people and scripts meet them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from tests.support.inbox import DOWN, REFUSED, Inbox
from tests.support.receiver import Answer, Receiver, closed_port
from tests.support.roles import role
from tests.support.schemas import errors
from tests.support.terminal import Place, cli

import driftbreaker
from driftbreaker.cli.environment import VARIABLES
from driftbreaker.testing import PostgresServer

HIDDEN = "hunter2"
STATUS = {"versionInfo": {"version": "0.25.0"}, "config": {"original": "global:\n  resolve_timeout: 5m\n"}}


@pytest.fixture(params=["sqlite", "postgres"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database without our tables; of SQLite, even the file is missing."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/new.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.url(server.create_database())


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def run_sql(url: str, *statements: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def test_from_nothing_to_the_first_trip(empty: str, tmp_path: Path) -> None:
    made = cli("init", "--db", empty)
    assert (made.exit_code, "Made 7 tables or indexes" in made.stderr) == (0, True)
    program = tmp_path / "pricing.py"
    program.write_text(made.stdout)
    environment = {**os.environ, "DRIFTBREAKER_DATABASE_URL": empty}
    for _ in range(3):
        subprocess.run([sys.executable, "-W", "error", program], check=True, timeout=60, env=environment)
    assert cli("check", "pricing-v2", "--db", empty).exit_code == 1
    assert "■ V2 OFF · serving V1  pricing-v2" in cli("list", "--db", empty).stdout
    again = cli("init", "--db", empty)
    assert (again.exit_code, again.stdout) == (0, made.stdout)
    assert "Nothing was missing" in again.stderr


def test_init_refuses_tables_of_another_version(place: Place) -> None:
    run_sql(place.url, "ALTER TABLE driftbreaker_breakers DROP COLUMN forced_by")
    done = cli("init", "--db", place.url)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "another version's: the column driftbreaker_breakers.forced_by is missing" in done.stderr


def test_create_says_what_it_made_and_verify_agrees(empty: str) -> None:
    done = cli("schema", "create", "--db", empty)
    assert done.exit_code == 0
    assert done.stdout.splitlines() == sorted(driftbreaker.metadata.tables)
    assert cli("schema", "verify", "--db", empty).exit_code == 0
    again = cli("schema", "create", "--db", empty, "--json")
    assert json.loads(again.stdout) == {"made": [], "differences": []}


def test_a_dry_create_prints_what_makes_them_and_makes_nothing(empty: str, tmp_path: Path) -> None:
    done = cli("schema", "create", "-n", "--db", empty)
    assert done.exit_code == 0
    assert done.stdout.count("CREATE TABLE") == 7
    assert "Nothing was made." in done.stderr
    assert not (tmp_path / "new.db").exists()
    in_json = json.loads(cli("schema", "create", "-n", "--json", "--db", empty).stdout)["statements"]
    assert sum(each.startswith("CREATE TABLE") for each in in_json) == 7
    run_sql(empty, *(each for each in done.stdout.split(";\n") if each.strip()))
    assert cli("schema", "verify", "--db", empty).exit_code == 0
    assert cli("schema", "create", "-n", "--db", empty).stdout == ""


def test_a_misspelt_folder_is_not_made() -> None:
    done = cli("schema", "create", "--db", "sqlite:////no/such/folder/x.db")
    assert done.exit_code == 2
    assert "there is no folder for the file /no/such/folder/x.db" in done.stderr


@pytest.mark.parametrize("command", ["verify", "create"])
def test_what_create_cannot_cure_is_said_and_is_no(place: Place, command: str) -> None:
    run_sql(
        place.url, "ALTER TABLE driftbreaker_breakers DROP COLUMN forced_by", "DROP INDEX driftbreaker_outbox_changed"
    )
    done = cli("schema", command, "--db", place.url)
    assert done.exit_code == 1
    assert "the column driftbreaker_breakers.forced_by is missing" in done.stdout
    assert ("the index driftbreaker_outbox_changed is missing" in done.stdout) is (command == "verify")
    assert "alter it by hand" in done.stderr
    document = json.loads(cli("schema", command, "--db", place.url, "--json").stdout)
    assert document["differences"] == ["the column driftbreaker_breakers.forced_by is missing"] or command == "verify"


def test_who_may_not_make_tables_is_told_so(postgres: PostgresServer) -> None:
    url = postgres.url(postgres.create_database())
    with role(url, []) as as_role:
        done = cli("schema", "create", "--db", as_role)
    assert done.exit_code == 4
    assert "permission denied for schema public" in done.stderr


def test_a_doctor_at_a_healthy_place(place: Place, receiver: Receiver, tmp_path: Path) -> None:
    receiver.script(Answer(200, "OK"), Answer(200, json.dumps(STATUS)))
    more = "" if "sqlite" in place.url else "?connect_timeout=5"
    options = ("--alertmanager", receiver.url, "--incident-dir", str(tmp_path), "--strict")
    done = cli("doctor", "--db", place.url + more, *options)
    assert done.exit_code == 0, done.output
    assert done.stderr.splitlines()[0] == "Nothing failed."
    assert "● ok       schema           7 tables, as version 1 wants them" in done.stdout
    assert "0.25.0 is ready" in done.stdout
    assert "do:" not in done.stdout


def test_a_failure_is_a_status_and_says_what_to_do(place: Place) -> None:
    run_sql(place.url, "DROP TABLE driftbreaker_notes")
    done = cli("doctor", "--db", place.url)
    assert done.exit_code == 1
    assert re.search(
        r"■ failed +schema +the table driftbreaker_notes is missing\n +do: driftbreaker schema", done.stdout
    )
    assert done.stderr.startswith("1 failed")
    document = json.loads(cli("doctor", "--db", place.url, "--json").stdout)
    assert document["healthy"] is False
    found = {finding["name"]: finding for finding in document["findings"]}
    assert found["schema"]["verdict"] == "failed"
    assert found["database"] == {**found["database"], "verdict": "ok", "advice": None}


def test_warnings_fail_where_they_are_to(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGCONNECT_TIMEOUT", raising=False)
    done = cli("doctor", "--db", postgres_url)
    assert (done.exit_code, done.stderr.splitlines()[0]) == (0, "Nothing failed, 1 warning.")
    assert "▲ warning  connect timeout  none" in done.stdout
    assert cli("doctor", "--db", postgres_url, "--strict").exit_code == 1


def test_every_alertmanager_is_looked_at_also_without_a_database(receiver: Receiver) -> None:
    receiver.script(Answer(200, "OK"), Answer(200, json.dumps(STATUS)))
    url = f"postgresql+psycopg://u:{HIDDEN}@127.0.0.1:1/x"
    done = cli("doctor", "--db", url, "--json", ALERTMANAGER_URL=f"{receiver.url},{closed_port()}")
    assert done.exit_code == 1
    assert HIDDEN not in done.output
    findings = json.loads(done.stdout)["findings"]
    assert [(each["name"], each["verdict"]) for each in findings] == [
        ("database", "failed"),
        ("alertmanager", "ok"),
        ("alertmanager", "failed"),
        ("incident files", "skipped"),
    ]


def test_an_alertmanager_that_cannot_be_one_is_a_finding(place: Place) -> None:
    done = cli("doctor", "--db", place.url, "--alertmanager", f"ftp://u:{HIDDEN}@am")
    assert done.exit_code == 1
    assert "does not begin with http:// or https://" in done.stdout
    assert HIDDEN not in done.output


def test_both_incident_directories_are_looked_at(place: Place, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    good, bad = str(tmp_path / "good"), str(tmp_path / "file")
    done = cli("doctor", "--db", place.url, DRIFTBREAKER_INCIDENT_DIR=good, COSTSIM_INCIDENT_DIR=bad)
    assert done.exit_code == 1
    assert f"{good} will be made in {tmp_path}" in done.stdout
    assert f"{bad} takes no file: Not a directory" in done.stdout


def test_a_role_for_a_job_that_it_cannot_do(postgres_url: str) -> None:
    with role(postgres_url, ["SELECT ON driftbreaker_breakers"]) as as_role:
        assert cli("doctor", "--db", as_role).exit_code == 0
        done = cli("doctor", "--db", as_role, "--for", "reporting")
    assert done.exit_code == 1
    assert "for reporting it lacks INSERT, UPDATE ON driftbreaker_breakers" in done.stdout


def test_doctor_without_a_database_asks_which() -> None:
    done = cli("doctor")
    assert done.exit_code == 2
    assert "which database?" in done.stderr


def test_names_of_breakers_are_shown_as_text(place: Place) -> None:
    place.disable("evil\x1b[31m\nname")
    done = cli("doctor", "--db", place.url)
    assert "\x1b" not in done.stdout
    assert "evil" in done.stdout


COMMANDS = (("init",), ("schema", "create"), ("schema", "verify"))
every_command = pytest.mark.parametrize("command", COMMANDS, ids=" ".join)


of_no_use = pytest.mark.parametrize(
    ("url", "message"),
    [
        (f"postgresql://u:{HIDDEN}@host:port/x", "cannot read this one"),
        (f"mongo://u:{HIDDEN}@host/x", "no database is called 'mongo'"),
        (f"postgresql+asyncpg://u:{HIDDEN}@host/x", "is an async driver and the command line is not"),
        ("sqlite://", "an in-memory SQLite has no rows of anybody's"),
        ("sqlite:////no/such/folder/x.db", "/no/such/folder/x.db"),
    ],
)


@of_no_use
def test_a_database_that_the_doctor_cannot_open_is_a_finding(url: str, message: str, receiver: Receiver) -> None:
    receiver.script(Answer(200, "OK"), Answer(200, json.dumps(STATUS)))
    done = cli("doctor", "--db", url, "--json", "--alertmanager", receiver.url)
    assert (done.exit_code, HIDDEN in done.output) == (1, False)
    database, alertmanager, *_ = json.loads(done.stdout)["findings"]
    assert (database["name"], database["verdict"], alertmanager["verdict"]) == ("database", "failed", "ok")
    assert message in database["told"]
    assert "driftbreaker config show" in database["advice"]
    assert errors("doctor", json.loads(done.stdout)) == []


def test_a_file_that_is_not_there_is_not_made_by_the_doctor(tmp_path: Path) -> None:
    done = cli("doctor", "--db", f"sqlite:///{tmp_path}/new.db")
    assert (done.exit_code, done.stderr.splitlines()[0]) == (1, "1 failed.")
    assert f"■ failed   database         there is no file {tmp_path}/new.db" in done.stdout
    assert not list(tmp_path.iterdir())


def advised(place: Place, name: str) -> list[str]:
    """The commands that the doctor advises for a finding."""
    found = json.loads(cli("doctor", "--db", place.url, "--json").stdout)["findings"]
    (advice,) = [finding["advice"] or "" for finding in found if finding["name"] == name]
    return re.findall(r"driftbreaker ((?:outbox|relay)[a-z -]*)", advice)


def test_what_no_relay_took_is_not_to_be_tried_again_but_sent(place: Place, tmp_path: Path) -> None:
    place.disable("pricing")
    run_sql(place.url, "UPDATE driftbreaker_outbox SET changed_at = '2020-01-01 00:00:00.000000'")
    assert [command.strip() for command in advised(place, "outbox")] == ["outbox list", "relay"]
    sent = cli("relay", "--once", "--incident-dir", str(tmp_path), "--db", place.url)
    assert sent.exit_code == 0
    assert advised(place, "outbox") == []


def test_what_was_refused_or_fails_is_to_be_tried_again(place: Place) -> None:
    place.disable("pricing")
    place.relay(Inbox("refusing", answer=REFUSED))
    *_, retry = advised(place, "outbox")
    assert cli(*retry.split(), "--db", place.url).exit_code == 0
    place.enable("pricing")
    place.disable("search")
    place.relay(Inbox("failing", answer=DOWN))
    run_sql(place.url, "UPDATE driftbreaker_outbox SET changed_at = '2020-01-01 00:00:00.000000'")
    *_, retry = advised(place, "outbox")
    assert retry.strip() == "outbox retry --all"
    assert cli(*retry.split(), "--db", place.url).exit_code == 0


@every_command
@of_no_use
def test_a_url_that_cannot_be_used_is_one_sentence(command: tuple[str, ...], url: str, message: str) -> None:
    done = cli(*command, "--db", url)
    assert (done.exit_code, done.stdout) == (2, "")
    assert message in done.stderr
    assert HIDDEN not in done.stderr


@every_command
def test_what_is_no_database_is_no_traceback(command: tuple[str, ...], tmp_path: Path) -> None:
    file = tmp_path / "text.db"
    file.write_text("no database at all, and longer than a header of SQLite's would be, by some hundred signs" * 20)
    done = cli(*command, "--db", f"sqlite:///{file}")
    assert done.exit_code == 2
    assert "file is not a database" in done.output
    found = cli("doctor", "--db", f"sqlite:///{file}")
    assert (found.exit_code, "file is not a database" in found.stdout) == (1, True)


@every_command
def test_ctrl_c_is_130_and_no_traceback(
    command: tuple[str, ...], place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("driftbreaker.cli.engine.engine_of", interrupted)
    done = cli(*command, "--db", place.url)
    assert (done.exit_code, done.stdout, done.stderr) == (130, "", "Interrupted.\n")


SECRETS = {
    "DRIFTBREAKER_DATABASE_URL": f"postgresql+psycopg://u:{HIDDEN}@host/x?password={HIDDEN}",
    "ALERTMANAGER_URL": f"http://u:{HIDDEN}@am:9093/prefix?key={HIDDEN},https://{HIDDEN}@other",
    "ALERTMANAGER_PASSWORD": HIDDEN,
    "ALERTMANAGER_TOKEN": HIDDEN,
    "DRIFTBREAKER_WEBHOOK_URL": f"https://hooks.example/services/{HIDDEN}",
    "DRIFTBREAKER_WEBHOOK_SECRET": HIDDEN,
    "DRIFTBREAKER_APPRISE_URLS": f"slack://{HIDDEN}/x {HIDDEN}",
    "HTTPS_PROXY": f"http://u:{HIDDEN}@proxy:3128",
}


@pytest.mark.parametrize("output", ["table", "json", "jsonl", "csv"])
def test_config_shows_every_setting_and_no_secret(output: str) -> None:
    done = cli("config", "show", "-o", output, **SECRETS)
    assert done.exit_code == 0, done.output
    assert HIDDEN not in done.output
    assert all(name in done.stdout for name in VARIABLES)


@pytest.mark.parametrize(
    ("url", "shown", "message"),
    [
        ("mysql+pymysql://u:hunter2@host/x", "mysql+pymysql://u:***@host/x", "SQLite and PostgreSQL, not mysql"),
        ("mongo://u:hunter2@host/x?password=hunter2", "mongo://u:***@host/x?password=***", "called 'mongo'"),
        ("postgresql+asyncpg://u:hunter2@host/x", "postgresql+asyncpg://u:***@host/x", "is an async driver"),
        ("postgresql://u:hunter2@host:port/x", None, "it cannot be read as a URL"),
    ],
)
def test_config_says_why_a_database_cannot_be_used(url: str, shown: str | None, message: str) -> None:
    done = cli("config", "show", "--json", DRIFTBREAKER_DATABASE_URL=url)
    (row,) = [row for row in json.loads(done.stdout)["settings"] if row["name"] == "DRIFTBREAKER_DATABASE_URL"]
    assert (done.exit_code, row["source"], message in row["error"]) == (1, "environment", True)
    assert row["value"] == shown or shown is None
    assert "u:hunter2" not in done.output
    line = cli("config", "show", DRIFTBREAKER_DATABASE_URL=url).stdout.splitlines()[0]
    assert line.startswith("■ DRIFTBREAKER_DATABASE_URL")
    assert message in line
    assert shown is None or shown in line


@pytest.mark.parametrize("name", [name for name in SECRETS if name != "ALERTMANAGER_URL"])
def test_config_shows_no_part_of_what_it_cannot_read(name: str) -> None:
    done = cli("config", "show", **{name: f"{HIDDEN}@@:::{HIDDEN}"})
    assert HIDDEN not in done.output


def test_config_says_what_it_is_and_where_it_came_from(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text(f"postgresql+psycopg://u:{HIDDEN}@host/x\n")
    done = cli(
        "config",
        "show",
        "--json",
        DRIFTBREAKER_DATABASE_URL_FILE=str(file),
        DRIFTBREAKER_BY="alice",
        **{
            name: SECRETS[name]
            for name in ("ALERTMANAGER_URL", "DRIFTBREAKER_WEBHOOK_URL", "DRIFTBREAKER_APPRISE_URLS")
        },
    )
    rows = {row["name"]: (row["value"], row["source"]) for row in json.loads(done.stdout)["settings"]}
    expected = {
        "DRIFTBREAKER_DATABASE_URL": ("postgresql+psycopg://u:***@host/x", f"file {file}"),
        "DRIFTBREAKER_BY": ("alice", "environment"),
        "ALERTMANAGER_URL": ("http://***@am:9093/prefix?***,https://***@other", "environment"),
        "ALERTMANAGER_TOKEN": (None, None),
        "DRIFTBREAKER_WEBHOOK_URL": ("https://hooks.example/***", "environment"),
        "DRIFTBREAKER_APPRISE_URLS": ("slack://*** ***", "environment"),
    }
    assert {name: rows[name] for name in expected} == expected


def test_a_name_of_a_file_moves_no_cursor(tmp_path: Path) -> None:
    file = tmp_path / "u\x1b[31mrl"
    file.write_text("sqlite:///x.db")
    done = cli("config", "show", DRIFTBREAKER_DATABASE_URL_FILE=str(file))
    assert "\x1b" not in done.stdout
    assert "u\\x1b[31mrl" in done.stdout


def test_a_setting_that_cannot_be_used_is_a_status() -> None:
    done = cli("config", "show", DRIFTBREAKER_WEBHOOK_SECRET="x", DRIFTBREAKER_WEBHOOK_SECRET_FILE="/y")
    assert done.exit_code == 1
    assert "DRIFTBREAKER_WEBHOOK_SECRET and DRIFTBREAKER_WEBHOOK_SECRET_FILE are both set" in done.stdout


def test_a_misspelt_setting_is_noticed() -> None:
    done = cli("config", "show", DRIFTBREAKER_DATABSE_URL=HIDDEN)
    assert done.exit_code == 0
    assert "does not read it: did you mean DRIFTBREAKER_DATABASE_URL?" in done.stderr
    assert HIDDEN not in done.output


def test_no_variable_is_read_that_config_does_not_show() -> None:
    """Also those that are read past `setting`, by their names in the code."""
    room = Path(driftbreaker.__file__).parent / "cli"
    named = re.compile(r'"((?:DRIFTBREAKER|ALERTMANAGER|COSTSIM|PG)_?[A-Z_]{4,}|NO_COLOR)"')
    read = {name for file in room.rglob("*.py") for name in named.findall(file.read_text())}
    assert read - {"DRIFTBREAKER_", "ALERTMANAGER_"} <= set(VARIABLES)
    assert len(read) > 10
