"""`driftbreaker relay`: a process that sends what was committed, and ends when it is told to."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from tests.support.alertmanager import FakeAlertmanager, alertmanager
from tests.support.receiver import Answer, Receiver, closed_port
from tests.support.terminal import Place, cli, process

from driftbreaker.relay.options import checked_options

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
HIDDEN = "hunter2"


def test_without_a_channel_it_says_that_it_would_only_sweep(place: Place) -> None:
    for options in ((), ("--once",)):
        done = cli("relay", "--db", place.url, *options)
        assert (done.exit_code, done.stdout) == (2, "")
        assert "without one a relay would only sweep" in done.stderr
        assert "ALERTMANAGER_URL" in done.stderr


def test_once_sends_and_prints_what_it_did(place: Place) -> None:
    place.disable("pricing")
    with alertmanager() as receiver:
        done = cli("relay", "--once", "--db", place.url, "--alertmanager", receiver.url)
        assert (done.exit_code, done.stdout) == (0, "swept 0 · sent 1 · failed 0 · parked 0\n")
        assert "alertmanager: firing: pricing" in done.stderr
        assert receiver.firing == ["pricing"]
        done = cli("relay", "--once", "--json", "--db", place.url, "--alertmanager", receiver.url)
        assert json.loads(done.stdout) == {"swept": 0, "sent": 0, "failed": 0, "parked": 0}
        assert done.stderr == ""


def test_once_fails_where_a_receiver_is_down_and_loses_nothing(place: Place) -> None:
    place.disable("pricing")
    url = closed_port().replace("http://", f"http://user:{HIDDEN}@")
    done = cli("relay", "--once", "--json", "--db", place.url, "--alertmanager", url)
    assert done.exit_code == 1
    assert json.loads(done.stdout) == {"swept": 0, "sent": 0, "failed": 1, "parked": 0}
    assert "nothing is lost" in done.stderr
    assert HIDDEN not in done.stderr
    assert "Traceback" not in done.stderr


def test_once_fails_where_a_receiver_refuses(place: Place) -> None:
    place.disable("pricing")
    with Receiver() as receiver:
        receiver.script(then=Answer(400, "bad label"))
        done = cli("relay", "--once", "--db", place.url, "--alertmanager", receiver.url)
    assert done.exit_code == 1
    assert "parked 1" in done.stdout
    assert "refused, and parked until it changes: firing: pricing" in done.stderr


def test_channels_come_from_the_environment(place: Place, tmp_path: Path) -> None:
    place.disable("pricing")
    with alertmanager() as one, alertmanager() as other, Receiver() as hook:
        done = cli(
            "relay",
            "--once",
            DRIFTBREAKER_DATABASE_URL=place.url,
            ALERTMANAGER_URL=f"{one.url}, {other.url}",
            ALERTMANAGER_USERNAME="alice",
            ALERTMANAGER_PASSWORD=HIDDEN,
            ALERTMANAGER_TIMEOUT="3",
            DRIFTBREAKER_WEBHOOK_URL=f"{hook.url}/{HIDDEN}",
            DRIFTBREAKER_WEBHOOK_SECRET=SECRET,
            DRIFTBREAKER_INCIDENT_DIR=str(tmp_path / "incidents"),
        )
        assert (done.exit_code, done.stdout) == (0, "swept 0 · sent 3 · failed 0 · parked 0\n")
        assert one.firing == other.firing == ["pricing"]
        assert one.receiver.requests[0].headers["authorization"].startswith("Basic ")
        assert "webhook-signature" in hook.requests[0].headers
        assert len(list((tmp_path / "incidents").glob("*.json"))) == 1
    assert HIDDEN not in done.stdout + done.stderr
    assert SECRET not in done.stdout + done.stderr


def test_an_option_goes_before_the_environment_and_secrets_may_be_files(place: Place, tmp_path: Path) -> None:
    place.disable("pricing")
    token = tmp_path / "token"
    token.write_text("the-token\n")
    with alertmanager() as receiver:
        done = cli(
            *("relay", "--once", "--db", place.url, "--alertmanager", receiver.url),
            ALERTMANAGER_URL=closed_port(),
            ALERTMANAGER_TOKEN_FILE=str(token),
        )
        assert done.exit_code == 0
        assert receiver.receiver.requests[0].headers["authorization"] == "Bearer the-token"


@pytest.mark.parametrize(
    ("options", "environment", "message"),
    [
        (["--alertmanager", f"ftp://u:{HIDDEN}@h"], {}, "--alertmanager / ALERTMANAGER_*: urls must be an absolute"),
        (["--alertmanager", "http://h"], {"ALERTMANAGER_TIMEOUT": "soon"}, "ALERTMANAGER_TIMEOUT must be a number"),
        (["--alertmanager", "http://h"], {"ALERTMANAGER_TIMEOUT": "nan"}, "timeout must be"),
        (["--alertmanager", "http://h"], {"ALERTMANAGER_PASSWORD": HIDDEN}, "password needs a username"),
        (["--alertmanager", "http://h"], {"ALERTMANAGER_TOKEN_FILE": "/no/such"}, "ALERTMANAGER_TOKEN_FILE names"),
        (["--webhook", f"http://h/{HIDDEN}"], {}, "set DRIFTBREAKER_WEBHOOK_SECRET"),
        (["--webhook", "http://h"], {"DRIFTBREAKER_WEBHOOK_SECRET": HIDDEN}, "secret does not begin with whsec_"),
        (["--apprise", f"nonsense://{HIDDEN}"], {}, "urls must be Apprise URLs"),
        (["--incident-dir", "i", "--lease", "0"], {}, "lease must be"),
        (["--incident-dir", "i", "--poll", "nan"], {}, "poll must be"),
        (["--incident-dir", "i", "--keep", "-1"], {}, "keep must be"),
        (["--incident-dir", "i", "--resend-interval", "soon"], {}, "is not a valid float"),
    ],
)
def test_what_cannot_be_is_a_usage_error_without_secrets(
    options: list[str], environment: dict[str, str], message: str, sqlite_url: str
) -> None:
    done = cli("relay", "--once", "--db", sqlite_url, *options, **environment)
    assert (done.exit_code, done.stdout) == (2, "")
    assert message in re.sub(r"\s+", " ", done.stderr)
    assert HIDDEN not in done.stderr


def test_the_defaults_in_the_help_are_the_relays() -> None:
    defaults = checked_options([])
    help_text = re.sub(r"\s+", " ", cli("relay", "--help").stdout)
    for option in ("resend_interval", "poll", "lease", "keep"):
        shown = re.search(rf"--{option.replace('_', '-')} S .*?\[default: (\d+)\]", help_text)
        assert shown is not None
        assert float(shown[1]) == getattr(defaults, option)


def until(true: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def started(place: Place, receiver: FakeAlertmanager, *options: str) -> subprocess.Popen[str]:
    """A relay that has said that it runs, and whom."""
    arguments = ("relay", "--db", place.url, "--alertmanager", receiver.url, "--poll", "0.2", *options)
    running = process(*arguments)
    assert running.stderr is not None
    line = running.stderr.readline()
    assert line.startswith("Relaying the alerts of "), line
    assert receiver.url in line
    return running


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_runs_until_it_is_told_to_stop_and_exits_with_0(place: Place, number: signal.Signals) -> None:
    with alertmanager() as receiver:
        running = started(place, receiver)
        place.disable("pricing")
        until(lambda: receiver.firing == ["pricing"])
        place.enable("pricing")
        until(lambda: receiver.firing == [])
        running.send_signal(number)
        told, said = running.communicate(timeout=60)
    assert (running.returncode, told) == (0, "")
    lines = said.splitlines()
    assert [line.partition(" ")[2] for line in lines[:-1]] == [
        "alertmanager: firing: pricing",
        "alertmanager: resolved: pricing",
    ], "each once, however often it is sent"
    assert lines[-1] == "Stopped after a last pass."


def test_stopped_at_once_it_ends_well(sqlite_url: str, tmp_path: Path) -> None:
    running = process("relay", "--db", sqlite_url, "--incident-dir", str(tmp_path))
    assert running.stderr is not None
    running.stderr.readline()
    running.terminate()
    running.communicate(timeout=60)
    assert running.returncode == 0


def test_its_last_pass_sends_what_was_committed_before_the_end(place: Place) -> None:
    with alertmanager() as receiver:
        running = started(place, receiver, "--poll", "60")
        place.disable("first")
        place.relay()  # nothing of it: no channel
        time.sleep(0.5)
        place.disable("last")
        running.terminate()
        running.communicate(timeout=60)
        assert running.returncode == 0
        assert "last" in receiver.firing


def test_an_outage_is_said_once_and_its_end_once(place: Place) -> None:
    with alertmanager() as receiver:
        receiver.receiver.script(*[Answer(503)] * 3, then=receiver)
        place.disable("pricing")
        running = started(place, receiver, "--resend-interval", "0.3")
        until(lambda: receiver.firing == ["pricing"])
        until(lambda: len(receiver.receiver.requests) > 6)
        running.terminate()
        _, said = running.communicate(timeout=60)
    assert running.returncode == 0
    assert said.count("is failing, nothing is lost") == 1
    assert said.count("works again") == 1
    assert said.count("firing: pricing") == 1


def test_an_outage_of_the_database_is_a_line_and_no_end(place: Place) -> None:
    with alertmanager() as receiver:
        place.disable("pricing")
        running = started(place, receiver, "--resend-interval", "0.3")
        until(lambda: receiver.firing == ["pricing"])
        rename(place, "driftbreaker_outbox", "elsewhere")
        assert running.stderr is not None
        lines = []
        while not lines or "is failing, nothing is lost" not in lines[-1]:
            lines.append(running.stderr.readline())
        assert "driftbreaker_outbox" in lines[-1]
        assert "[SQL" not in lines[-1]
        rename(place, "elsewhere", "driftbreaker_outbox")
        place.enable("pricing")
        until(lambda: receiver.firing == [])
        running.terminate()
        _, said = running.communicate(timeout=60)
    assert running.returncode == 0
    assert "works again" in said
    assert "Traceback" not in said


def rename(place: Place, table: str, name: str) -> None:
    # A relay's reads come and go: on SQLite they may hold the lock at just this moment.
    for attempt in range(20):
        try:
            with place.engine.begin() as connection:
                connection.execute(text(f"ALTER TABLE {table} RENAME TO {name}"))
        except OperationalError:
            assert attempt < 19
            time.sleep(0.1)
        else:
            return


def test_json_is_an_event_a_line_on_stdout(place: Place) -> None:
    with alertmanager() as receiver:
        place.disable("pricing")
        running = started(place, receiver, "--json")
        until(lambda: receiver.firing == ["pricing"])
        time.sleep(0.5)
        running.terminate()
        told, _ = running.communicate(timeout=60)
    (event,) = [json.loads(line) for line in told.splitlines()]
    assert (event["event"], event["breaker"], event["channel"], event["state"]) == (
        "alert_sent",
        "pricing",
        "alertmanager",
        "firing",
    )


def test_it_goes_on_when_nobody_reads_what_it_says(place: Place) -> None:
    with alertmanager() as receiver:
        running = started(place, receiver, "--json")
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        running.stderr.close()
        for name in ("first", "second"):
            place.disable(name)
            until(lambda name=name: name in receiver.firing)  # type: ignore[misc]
        assert running.poll() is None
        running.terminate()
        assert running.wait(timeout=60) == 0
