"""Secrets of receivers: an option shows them to whoever lists processes, and says so; a variable or a file does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.receiver import closed_port
from tests.support.terminal import Place, cli

# Apprise imports what Python is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

SIGNING = "whsec_" + "c2VjcmV0" * 4
COMMANDS = (("alerts", "test"), ("doctor",), ("relay", "--once"))


def run(place: Place, command: tuple[str, ...], *options: str, **environment: str) -> str:
    where = () if "alerts" in command else ("--db", place.url)
    done = cli(*command, *options, *where, DRIFTBREAKER_WEBHOOK_SECRET=SIGNING, **environment)
    assert done.exit_code in (0, 1), done.output
    assert "hunter2" not in done.output
    return done.stderr


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_secret_in_an_option_is_said_to_be_seen(command: tuple[str, ...], place: Place) -> None:
    webhook, apprise = f"{closed_port()}/hunter2", "json://127.0.0.1:81/hunter2"
    said = run(place, command, "--webhook", webhook, "--apprise", apprise)
    for option, name in (("--webhook", "DRIFTBREAKER_WEBHOOK_URL"), ("--apprise", "DRIFTBREAKER_APPRISE_URLS")):
        assert f"{option} may hold a secret, and a list of processes shows it: set {name}, or {name}_FILE" in said


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_secret_in_the_environment_or_a_file_is_not(command: tuple[str, ...], place: Place, tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("json://127.0.0.1:81/hunter2")
    webhook = f"{closed_port()}/hunter2"
    said = run(place, command, DRIFTBREAKER_WEBHOOK_URL=webhook, DRIFTBREAKER_APPRISE_URLS_FILE=str(file))
    assert "may hold a secret" not in said


@pytest.mark.parametrize("command", [("relay",), ("doctor",), ("alerts", "test")], ids=" ".join)
def test_the_help_names_the_variable_and_the_file(command: tuple[str, ...]) -> None:
    said = " ".join(cli(*command, "--help").stdout.split())
    for name in ("DRIFTBREAKER_WEBHOOK_URL", "DRIFTBREAKER_APPRISE_URLS"):
        assert f"[env: {name}" in said
        assert f"or {name}_FILE" in said
