"""Whatever is wrong with the database or the terminal: one sentence, a status, never a traceback or a password."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from click.testing import Result
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from tests.support.alertmanagers import eventually
from tests.support.commands import OFF, ON, SAMPLES, Sample, every_command, furnish
from tests.support.locks import locked
from tests.support.screen import Screen
from tests.support.terminal import COMMAND, Place, cli, process
from tests.support.tty import Tty

from driftbreaker.cli.width import width
from driftbreaker.testing import PostgresServer

HIDDEN = "hunter2"
CANNOT_TELL = 2
EVIL = "red \x1b[31m \x07 \u202e \u05d0\u05d1 text\nsecond line '\"; DROP TABLE x; --"


def each(chosen: dict[str, Sample]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("command", "sample"), chosen.items(), ids=chosen)


WITH_A_DATABASE = {command: sample for command, sample in SAMPLES.items() if sample.database}
every_one = each(SAMPLES)
every_one_with_a_database = each(WITH_A_DATABASE)
every_one_that_needs_it_well = each(
    {command: sample for command, sample in WITH_A_DATABASE.items() if not sample.cares}
)
every_one_with_a_name = each({command: sample for command, sample in SAMPLES.items() if sample.named("") is not None})


def test_every_command_has_a_sample() -> None:
    assert set(SAMPLES) == set(every_command()), "tests/support/commands.py tries every command: add the new one"


@every_one_with_a_database
def test_without_a_database_it_asks_which(command: str, sample: Sample, tmp_path: Path) -> None:
    done = cli(*command.split(), *sample.given(tmp_path))
    assert (done.exit_code, done.stdout) == (2, "")
    assert "which database? Give --db URL, or set DRIFTBREAKER_DATABASE_URL" in done.stderr


@every_one_that_needs_it_well
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
def test_a_database_that_cannot_be_used(command: str, sample: Sample, url: str, message: str, tmp_path: Path) -> None:
    done = cli(*command.split(), *sample.given(tmp_path), "--db", url)
    assert (done.exit_code, done.stdout) == (2, "")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert HIDDEN not in done.stderr


@every_one_that_needs_it_well
def test_missing_tables_are_said_with_the_line_that_makes_them(
    command: str, sample: Sample, tmp_path: Path, postgres: PostgresServer
) -> None:
    empty = tmp_path / "empty.db"
    empty.touch()
    for url in (f"sqlite:///{empty}", postgres.url(postgres.create_database())):
        done = cli(*command.split(), *sample.given(tmp_path), "--db", url)
        assert (done.exit_code, done.stdout) == (2, "")
        assert "driftbreaker schema create makes them" in done.stderr
        assert len(done.stderr.splitlines()) == 1


@every_one_that_needs_it_well
def test_what_is_no_database_is_said(command: str, sample: Sample, tmp_path: Path) -> None:
    file = tmp_path / "text.db"
    file.write_text("no database at all, and longer than a header of SQLite's would be, by some hundred signs" * 20)
    done = cli(*command.split(), *sample.given(tmp_path), "--db", f"sqlite:///{file}")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "file is not a database" in done.stderr


@every_one_that_needs_it_well
def test_what_a_role_may_not_is_a_status_of_its_own(
    command: str, sample: Sample, tmp_path: Path, postgres_url: str
) -> None:
    place = Place(postgres_url, create_engine(postgres_url))
    with role(place) as url:
        done = run(command, sample, url, tmp_path)
    assert (done.exit_code, done.stdout) == (CANNOT_TELL if sample.answers else 4, "")
    assert "this is not allowed" in done.stderr
    assert "permission denied" in done.stderr
    assert HIDDEN not in done.stderr
    place.engine.dispose()


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


# What a role may do.


def test_samples_end_as_they_say(place: Place, tmp_path: Path) -> None:
    for command, sample in SAMPLES.items():
        furnish(place)
        done = run(command, sample, place.url, tmp_path)
        assert done.exit_code == sample.exits, (command, done.output)
        place.enable(OFF)


@every_one_that_needs_it_well
def test_a_role_that_may_only_read_reads(command: str, sample: Sample, postgres_url: str, tmp_path: Path) -> None:
    place = Place(postgres_url, create_engine(postgres_url))
    furnish(place)
    with role(place, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO somebody") as url:
        expect_reading(command, sample, url, tmp_path)
    place.engine.dispose()


@every_one_that_needs_it_well
def test_a_file_that_may_only_be_read_is_read(command: str, sample: Sample, sqlite_url: str, tmp_path: Path) -> None:
    place = Place(sqlite_url, create_engine(sqlite_url))
    furnish(place)
    place.engine.dispose()
    expect_reading(command, sample, sqlite_url.replace(":///", ":///file:") + "?mode=ro&uri=true", tmp_path)


def expect_reading(command: str, sample: Sample, url: str, folder: Path) -> None:
    done = run(command, sample, url, folder)
    if sample.writes:
        assert (done.exit_code, done.stdout) == (4, "")
        assert "this is not allowed" in done.stderr
        assert len(done.stderr.splitlines()) == 1
    else:
        assert done.exit_code == sample.exits, done.output


# What others hold.


@each({command: sample for command, sample in SAMPLES.items() if sample.waits})
def test_a_locked_row_is_waited_for_no_longer_than_it_says(
    command: str, sample: Sample, postgres_url: str, tmp_path: Path
) -> None:
    engine = create_engine(postgres_url)
    furnish(Place(postgres_url, engine))
    with engine.begin() as other:
        other.execute(text("SELECT 1 FROM driftbreaker_breakers FOR UPDATE"))
        done = run(command, sample, postgres_url, tmp_path, "--timeout", "0.2")
    assert_locked(done, sample)
    engine.dispose()


@every_one_that_needs_it_well
def test_a_migration_that_locks_the_tables_is_waited_for_no_longer(
    command: str, sample: Sample, place: Place, tmp_path: Path
) -> None:
    furnish(place)
    with locked(place):
        assert_locked(run(command, sample, place.url, tmp_path, "--timeout", "0.2"), sample)


def test_a_statement_that_takes_too_long_is_told_from_a_lock(postgres_url: str) -> None:
    engine = create_engine(postgres_url)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE driftbreaker_breakers RENAME TO kept"))
        slowly = "CREATE VIEW driftbreaker_breakers AS SELECT kept.* FROM kept, pg_sleep(30)"
        connection.execute(text(slowly))
    done = cli("list", "--db", postgres_url, "--timeout", "0.1")
    assert (done.exit_code, done.stdout) == (124, "")
    assert "took longer than 0.1 s to answer" in done.stderr
    engine.dispose()


def assert_locked(done: Result, sample: Sample) -> None:
    assert (done.exit_code, done.stdout) == (CANNOT_TELL if sample.answers else 124, "")
    assert "somebody else holds a lock" in done.stderr
    assert "for longer than 0.2 s" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("timeout", ["0", "-1", "nan", "soon", "inf"])
def test_a_timeout_that_is_none(timeout: str) -> None:
    for command in (("list",), ("watch", "--interval", "1"), ("alerts", "test", "--for", "1")):
        option = "--for" if "alerts" in command else "--timeout"
        done = cli(*command, option, "-1" if timeout == "0" and command != ("list",) else timeout)
        assert done.exit_code == 2
        assert f"Invalid value for '{option}'" in done.stderr


def test_a_server_that_never_answers_is_waited_for_no_longer(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        url = f"postgresql+psycopg://u:{HIDDEN}@127.0.0.1:{silent.getsockname()[1]}/x"
        done = cli("list", "--db", url, "--timeout", "2")
    assert (done.exit_code, done.stdout) == (124, "")
    assert "does not answer" in done.stderr
    assert HIDDEN not in done.stderr
    assert len(done.stderr.splitlines()) == 1


# Who types.


@every_one_with_a_name
def test_an_unknown_breaker_is_said_with_the_near_one(
    command: str, sample: Sample, place: Place, tmp_path: Path
) -> None:
    furnish(place)
    arguments = [part.format(folder=tmp_path) for part in sample.named("pricng") or ()]
    done = cli(*command.split(), *arguments, "--db", place.url)
    if command == "check":
        assert (done.exit_code, "nothing bad was ever reported" in done.stdout) == (0, True)
    else:
        assert (done.exit_code, done.stdout) == (3, "")
    assert "did you mean 'pricing'?" in done.stderr.lower()


@every_one_with_a_name
def test_evil_names_and_reasons_move_no_cursor(command: str, sample: Sample, place: Place, tmp_path: Path) -> None:
    evil_on = f"{EVIL} on"
    furnish(place, off=EVIL, on=evil_on, reason=EVIL)
    arguments = [
        evil_on if part == ON else EVIL if part in (OFF, "because", "the cache?") else part
        for part in sample.given(tmp_path)
    ]
    done = cli(*command.split(), *arguments, "--db", place.url)
    assert done.exit_code == sample.exits, done.output
    for line in done.output.splitlines():
        assert line.isprintable(), repr(line)
    assert "second line" in done.output
    assert "\nsecond line" not in done.output


@every_one_with_a_database
def test_ctrl_c_is_130_and_no_traceback(
    command: str, sample: Sample, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("driftbreaker.cli.engine.engine_of", interrupted)
    done = cli(*command.split(), *sample.given(tmp_path), "--db", place.url)
    assert (done.exit_code, done.stdout, done.stderr) == (130, "", "Interrupted.\n")


@every_one_that_needs_it_well
def test_ctrl_c_while_the_database_is_waited_for(
    command: str, sample: Sample, postgres_url: str, tmp_path: Path
) -> None:
    place = Place(postgres_url, create_engine(postgres_url))
    furnish(place)
    with locked(place) as other:
        running = process(*command.split(), *sample.given(tmp_path), "--db", place.url)
        waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
        eventually(lambda: other.execute(waiting).scalar_one(), "it waits for the lock")
        running.send_signal(signal.SIGINT)
        said, complaint = running.communicate(timeout=20)
    assert (running.returncode, said) == (130, "")
    assert "Traceback" not in complaint
    place.engine.dispose()


# Where it is read.


def test_the_first_line_of_many(place: Place) -> None:
    for number in range(300):
        place.disable(f"breaker {number}", "a reason that is long enough to fill a pipe's buffer, " * 10)
    for kind in ("table", "json", "jsonl", "csv"):
        shell = f'"$@" list --db "{place.url}" -o {kind} | head -1'
        done = subprocess.run(["bash", "-c", shell, "bash", *COMMAND], capture_output=True, text=True, timeout=60)
        assert (done.stderr, len(done.stdout.splitlines())) == ("", 1)


@every_one
def test_without_a_terminal_there_is_no_colour(command: str, sample: Sample, sqlite_url: str, tmp_path: Path) -> None:
    furnish(Place(sqlite_url, create_engine(sqlite_url)))
    done = subprocess.run(
        [*COMMAND, *command.split(), *sample.given(tmp_path), *database_of(sample, sqlite_url)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        start_new_session=True,
    )
    assert done.returncode == sample.exits
    assert b"\x1b" not in done.stdout + done.stderr


# What it makes of 40 columns, see test_cli_terminal.
@each(WITH_A_DATABASE)
def test_a_wide_terminal(command: str, sample: Sample, sqlite_url: str, tmp_path: Path) -> None:
    furnish(Place(sqlite_url, create_engine(sqlite_url)), reason="wrong on discounts of more than 20 % in " + "x" * 50)
    arguments = [*command.split(), *sample.given(tmp_path), "--db", sqlite_url]
    with Tty(*arguments, columns=200) as tty:
        assert tty.wait() == sample.exits
        # Everything that a screen cannot obey, and every mode that is left on, is noticed here.
        screen = tty.screen
    assert "Traceback" not in tty.said
    assert not screen.modes
    assert width(longest(screen)) <= 200


def longest(screen: Screen) -> str:
    return max(screen.text, key=width)


def run(command: str, sample: Sample, url: str, folder: Path, *options: str) -> Result:
    return cli(*command.split(), *sample.given(folder), *database_of(sample, url), *options)


def database_of(sample: Sample, url: str) -> tuple[str, ...]:
    return ("--db", url) if sample.database else ()


@contextmanager
def role(place: Place, *grants: str) -> Iterator[str]:
    """Yield the URL of a role that may do what these statements grant to `somebody`, and no more."""
    with place.engine.begin() as connection:
        connection.execute(text("DROP ROLE IF EXISTS somebody"))
        connection.execute(text(f"CREATE ROLE somebody LOGIN PASSWORD '{HIDDEN}'"))
        for grant in grants:
            connection.execute(text(grant))
    try:
        url = make_url(place.url).set(username="somebody", password=HIDDEN)
        yield url.render_as_string(hide_password=False)
    finally:
        with place.engine.begin() as connection:
            connection.execute(text("DROP OWNED BY somebody"))
            connection.execute(text("DROP ROLE somebody"))
