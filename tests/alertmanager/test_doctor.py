"""The doctor asks a real Alertmanager, and sends it nothing."""

from __future__ import annotations

import json
from pathlib import Path

from driftbreaker import Alertmanager
from driftbreaker.health import Verdict, check_alertmanager
from tests.support.alertmanagers import AlertmanagerProcess, Pager
from tests.support.receiver import closed_port
from tests.support.terminal import cli


def test_a_real_one_is_ready_and_says_what_it_is_set_to(alertmanager: AlertmanagerProcess) -> None:
    (found,) = check_alertmanager(Alertmanager(alertmanager.url), resend_interval=0.5)
    assert found.verdict is Verdict.OK, found
    assert "is ready, resolve_timeout 1s" in found.told


def test_its_resolve_timeout_is_held_against_the_relays_interval(alertmanager: AlertmanagerProcess) -> None:
    (found,) = check_alertmanager(Alertmanager(alertmanager.url))
    assert found.verdict is Verdict.WARNING
    assert "resolve_timeout 1s is not above the re-send interval of 60 s" in found.told


def test_the_command_asks_each_peer_and_pages_nobody(
    alertmanager: AlertmanagerProcess, pager: Pager, sqlite_url: str, tmp_path: Path
) -> None:
    often = ("--resend-interval", "0.5")
    options = (*often, "--alertmanager", alertmanager.url, "--incident-dir", str(tmp_path), "--strict")
    done = cli("doctor", "--db", sqlite_url, *options)
    assert done.exit_code == 0, done.output
    both = f"{alertmanager.url},{closed_port()}"
    done = cli("doctor", "--db", sqlite_url, "--json", *often, ALERTMANAGER_URL=both)
    assert done.exit_code == 1
    found = [each["verdict"] for each in json.loads(done.stdout)["findings"] if each["name"] == "alertmanager"]
    assert found == ["ok", "failed"]
    assert not pager.requests


def test_a_path_prefix_that_was_forgotten_is_said(tmp_path: Path, pager: Pager) -> None:
    with AlertmanagerProcess(tmp_path / "prefixed", pager, prefix="/alertmanager") as process:
        (found,) = check_alertmanager(Alertmanager(process.url.removesuffix("/alertmanager")))
    assert found.verdict is Verdict.FAILED
    assert "check the URL's path prefix" in found.told
