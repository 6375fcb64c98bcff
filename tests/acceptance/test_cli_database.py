"""Whatever is wrong with the database is one sentence, a status, and never a traceback or a password."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from tests.support.terminal import COMMAND, Place, cli, process

from driftbreaker.testing import PostgresServer

HIDDEN = "hunter2"
COMMANDS = {
    "relay": ("relay", "--once", "--incident-dir", "{folder}"),
    "relay for ever": ("relay", "--incident-dir", "{folder}"),
    "list": ("outbox", "list"),
    "show": ("outbox", "show", "pricing"),
    "retry": ("outbox", "retry", "--all"),
    "breakers": ("list",),
    "breaker": ("show", "pricing"),
    "check": ("check", "pricing"),
    "history": ("history", "pricing"),
    "disable": ("disable", "pricing", "--reason", "because", "--new"),
    "enable": ("enable", "pricing", "--reason", "because", "-y"),
    "incidents": ("incident", "list", "pricing"),
    "ack": ("incident", "ack", "pricing"),
}
every_command = pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)


def given(command: tuple[str, ...], folder: Path) -> list[str]:
    return [part.format(folder=folder) for part in command]


@every_command
def test_without_a_database_it_asks_which(command: tuple[str, ...], tmp_path: Path) -> None:
    done = cli(*given(command, tmp_path))
    assert (done.exit_code, done.stdout) == (2, "")
    assert "which database? Give --db URL, or set DRIFTBREAKER_DATABASE_URL" in done.stderr


@every_command
@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nonsense", "--db takes a database URL"),
        ("postgresql://u:hunter2@host:port/x", "cannot read this one"),
        ("mongo://u:hunter2@host/x", "no database is called 'mongo'"),
        ("postgres://u:hunter2@host/x", "no database is called 'postgres', but postgresql"),
        ("mysql+pymysql://u:hunter2@host/x", "driftbreaker speaks SQLite and PostgreSQL, not mysql"),
        ("postgresql+asyncpg://u:hunter2@host/x", "is an async driver and the command line is not"),
        ("postgresql+psycopg2://u:hunter2@host/x", "pip install 'psycopg2-binary'"),
        ("postgresql+psycopg://u:hunter2@127.0.0.1:1/x", "cannot use postgresql+psycopg://u:***@127.0.0.1:1/x"),
        ("postgresql+psycopg://127.0.0.1:1/x?user=u&password=hunter2", "password=***"),
        ("sqlite://", "an in-memory SQLite has no rows of anybody's"),
        ("sqlite:////no/such/folder/x.db", "there is no file /no/such/folder/x.db"),
    ],
)
def test_a_database_that_cannot_be_used(command: tuple[str, ...], url: str, message: str, tmp_path: Path) -> None:
    done = cli(*given(command, tmp_path), "--db", url)
    assert (done.exit_code, done.stdout) == (2, "")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert HIDDEN not in done.stderr


@every_command
def test_missing_tables_are_said_with_the_line_that_makes_them(
    command: tuple[str, ...], tmp_path: Path, postgres: PostgresServer
) -> None:
    empty = tmp_path / "empty.db"
    empty.touch()
    for url in (f"sqlite:///{empty}", postgres.url(postgres.create_database())):
        done = cli(*given(command, tmp_path), "--db", url)
        assert (done.exit_code, done.stdout) == (2, "")
        assert "driftbreaker schema create makes them" in done.stderr
        assert len(done.stderr.splitlines()) == 1


@every_command
def test_what_is_no_database_is_said(command: tuple[str, ...], tmp_path: Path) -> None:
    file = tmp_path / "text.db"
    file.write_text("no database at all, and longer than a header of SQLite's would be, by some hundred signs" * 20)
    done = cli(*given(command, tmp_path), "--db", f"sqlite:///{file}")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "file is not a database" in done.stderr


@every_command
def test_what_a_role_may_not_is_a_status_of_its_own(
    command: tuple[str, ...], tmp_path: Path, postgres_url: str
) -> None:
    engine = create_engine(postgres_url)
    with engine.begin() as connection:
        connection.execute(text("DROP ROLE IF EXISTS nobody_special"))
        connection.execute(text(f"CREATE ROLE nobody_special LOGIN PASSWORD '{HIDDEN}'"))
    try:
        url = make_url(postgres_url).set(username="nobody_special", password=HIDDEN)
        done = cli(*given(command, tmp_path), "--db", url.render_as_string(hide_password=False))
        assert (done.exit_code, done.stdout) == (4, "")
        assert "this is not allowed" in done.stderr
        assert "permission denied" in done.stderr
        assert HIDDEN not in done.stderr
    finally:
        with engine.begin() as connection:
            connection.execute(text("DROP ROLE nobody_special"))
        engine.dispose()


def test_the_url_may_come_from_the_environment_or_from_a_file(place: Place, tmp_path: Path) -> None:
    place.disable("pricing")
    file = tmp_path / "url"
    file.write_text(place.url + "\n")
    assert "pricing" in cli("outbox", "list", DRIFTBREAKER_DATABASE_URL=place.url).stdout
    assert "pricing" in cli("outbox", "list", DRIFTBREAKER_DATABASE_URL_FILE=str(file)).stdout
    given_wins = cli("outbox", "list", "--db", place.url, DRIFTBREAKER_DATABASE_URL="nonsense")
    assert "pricing" in given_wins.stdout


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"DRIFTBREAKER_DATABASE_URL": "x", "DRIFTBREAKER_DATABASE_URL_FILE": "y"}, "are both set"),
        ({"DRIFTBREAKER_DATABASE_URL_FILE": "/no/such/file"}, "which cannot be read: No such file"),
        ({"DRIFTBREAKER_DATABASE_URL_FILE": os.devnull}, "which is empty"),
    ],
)
def test_a_file_of_a_secret_that_is_of_no_use(environment: dict[str, str], message: str) -> None:
    done = cli("outbox", "list", **environment)
    assert done.exit_code == 2
    assert message in done.stderr


@every_command
def test_ctrl_c_is_130_and_no_traceback(
    command: tuple[str, ...], place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("driftbreaker.cli.engine.engine_of", interrupted)
    done = cli(*given(command, tmp_path), "--db", place.url)
    assert (done.exit_code, done.stdout, done.stderr) == (130, "", "Interrupted.\n")


def test_a_closed_pipe_is_no_traceback(place: Place) -> None:
    for number in range(30):
        place.disable(f"breaker {number}")
    for options in ((), ("--json",)):
        running = process("outbox", "list", "--db", place.url, *options)
        assert running.stdout is not None
        running.stdout.close()
        _, complaint = running.communicate(timeout=60)
        assert "Traceback" not in complaint
        assert running.returncode in (0, 1)


def test_no_terminal_is_needed_and_a_pipe_gets_no_colour(place: Place) -> None:
    place.disable("pricing")
    done = subprocess.run(
        [*COMMAND, "outbox", "list", "--db", place.url],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        start_new_session=True,
    )
    assert done.returncode == 0
    assert b"\x1b" not in done.stdout
