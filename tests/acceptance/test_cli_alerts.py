"""`driftbreaker alerts test`: the way to the pager, tried without a database."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from tests.support.alertmanager import alertmanager
from tests.support.receiver import Answer, Receiver, black_hole, closed_port
from tests.support.terminal import cli, process

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
HIDDEN = "hunter2"


def test_without_a_channel_it_asks_for_one() -> None:
    done = cli("alerts", "test")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "no channel is configured: give --alertmanager URL" in done.stderr


@pytest.mark.parametrize(("severity", "label"), [("P1", "critical"), ("P2", "warning"), ("P3", "info")])
def test_it_fires_and_resolves_one_alert(severity: str, label: str) -> None:
    with alertmanager() as receiver:
        done = cli("alerts", "test", "--alertmanager", receiver.url, "--severity", severity)
        fire, resolve = receiver.receiver.alerts
        assert receiver.firing == []
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == (
        f"alertmanager {receiver.url}: firing: accepted\nalertmanager {receiver.url}: resolved: accepted\n"
    )
    assert receiver.seen == [("driftbreaker-test", "firing"), ("driftbreaker-test", "resolved")]
    assert fire["labels"] == resolve["labels"]
    assert fire["startsAt"] == resolve["startsAt"]
    assert {name: fire["labels"][name] for name in ("alertname", "circuit_breaker", "severity", "priority")} == {
        "alertname": "DriftbreakerTest",
        "circuit_breaker": "driftbreaker-test",
        "severity": label,
        "priority": severity,
    }


def test_each_peer_and_each_channel_has_its_own_answer(tmp_path: Path) -> None:
    with alertmanager() as good, Receiver() as bad, Receiver() as hook:
        bad.script(then=Answer(401, "who are you"))
        done = cli(
            *("alerts", "test", "--json", "--alertmanager", good.url, "--alertmanager", bad.url),
            *("--webhook", f"{hook.url}/{HIDDEN}", "--incident-dir", str(tmp_path / "incidents")),
            DRIFTBREAKER_WEBHOOK_SECRET=SECRET,
            ALERTMANAGER_TOKEN=HIDDEN,
        )
        channels = {each.pop("channel"): each for each in json.loads(done.stdout)["channels"]}
        messages = [request.headers["webhook-id"] for request in hook.requests]
    assert done.exit_code == 1
    assert {name: each["taken"] for name, each in channels.items()} == {
        f"alertmanager {good.url}": True,
        f"alertmanager {bad.url}": False,
        "webhook": True,
        "incident-files": True,
    }
    failed = channels[f"alertmanager {bad.url}"]["firing"]
    assert failed["result"] == "failed"
    assert "401 (check username, password or token)" in failed["error"]
    assert len(set(messages)) == 2
    assert len(list((tmp_path / "incidents").glob("*.json"))) == 1
    assert HIDDEN not in done.stdout + done.stderr


def test_peers_of_the_environment_are_asked_each() -> None:
    with alertmanager() as one:
        done = cli("alerts", "test", ALERTMANAGER_URL=f"{one.url},{closed_port()}")
    assert done.exit_code == 1
    assert len(done.stdout.splitlines()) == 4


def test_two_tests_are_two_messages() -> None:
    with Receiver() as hook:
        for _ in range(2):
            assert cli("alerts", "test", "--webhook", hook.url, DRIFTBREAKER_WEBHOOK_SECRET=SECRET).exit_code == 0
        assert len({request.headers["webhook-id"] for request in hook.requests}) == 4


def test_a_receiver_that_never_answers_is_a_failure_in_time() -> None:
    with Receiver() as receiver:
        receiver.script(then=black_hole())
        done = cli("alerts", "test", "--alertmanager", receiver.url, ALERTMANAGER_TIMEOUT="0.2")
    assert done.exit_code == 1
    assert "did not answer within 0.2 s" in done.stdout


def test_interrupted_while_it_fires_it_resolves_first() -> None:
    with alertmanager() as receiver:
        running = process("alerts", "test", "--alertmanager", receiver.url, "--for", "60")
        assert running.stderr is not None
        assert "fires for 60 s" in running.stderr.readline()
        while not receiver.firing:
            assert running.poll() is None
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=60)
        assert receiver.firing == []
    assert running.returncode == 130
    assert said == "Interrupted.\n"


def test_what_a_receiver_answers_moves_no_cursor() -> None:
    with Receiver() as receiver:
        receiver.script(then=Answer(500, b"\x1b[31mred\xc2\x9b2J"))
        for options in ((), ("--json",)):
            done = cli("alerts", "test", "--alertmanager", receiver.url, *options)
            assert done.exit_code == 1
            assert not {"\x1b", "\x9b"} & set(done.stdout)
