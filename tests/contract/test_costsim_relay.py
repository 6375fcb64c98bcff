"""CostSim's relay: what the environment says, read when it is made; options win."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from driftbreaker import InvalidArgumentError, Pass, Relay
from driftbreaker.costsim import CircuitBreaker, create_relay
from tests.support.inbox import Inbox
from tests.support.receiver import Answer, Receiver
from tests.support.worlds import Blocking, World


def relay_of(world: World, **options: object) -> Any:
    return Blocking(world.runner, create_relay(world.engine, **options))


def disable(world: World) -> str:
    with world.session() as session:
        _, incident = world.costsim(session).disable_v2("prices are off", "alice")
        session.commit()
    return str(incident.id)


def test_without_configuration_nothing_is_sent_and_nothing_is_lost(world: World) -> None:
    disable(world)
    assert relay_of(world).run_once() == Pass()
    assert world.count("outbox") == 1


def test_the_page_has_the_origins_labels(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with Receiver() as receiver:
        monkeypatch.setenv("ALERTMANAGER_URL", receiver.url + "/api/v1/alerts")
        incident = disable(world)
        relay = relay_of(world)
        assert relay.run_once() == Pass(sent=1)
        relay.close()
    (alert,) = receiver.alerts
    assert alert["labels"] == {
        "alertname": "CostSimV2Disabled",
        "severity": "warning",
        "priority": "P2",
        "component": "costsim",
        "circuit_breaker": "costsim_v2",
    }
    assert alert["annotations"]["incident_id"] == incident


def test_incident_files_are_written_and_updated_at_the_end(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("COSTSIM_INCIDENT_DIR", str(tmp_path / "incidents"))
    incident = disable(world)
    relay = relay_of(world)
    relay.run_once()
    (file,) = (tmp_path / "incidents").iterdir()
    assert incident in file.name
    assert '"resolved": false' in file.read_text()
    with world.session() as session:
        assert world.costsim(session).enable_v2("bob") is True
        session.commit()
    relay.run_once()
    assert [each.name for each in (tmp_path / "incidents").iterdir()] == [file.name]
    assert json.loads(file.read_text())
    assert '"resolved": true' in file.read_text()


def test_an_unwritable_directory_is_a_finding_never_an_exception_in_the_caller(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("COSTSIM_INCIDENT_DIR", str(tmp_path / "file"))
    disable(world)
    assert relay_of(world).run_once().failed == 1
    assert str(tmp_path / "file") in world.rows("deliveries")[0]["last_error"]


def test_attempts_are_tries_within_one_pass(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with Receiver() as receiver:
        monkeypatch.setenv("ALERTMANAGER_URL", receiver.url)
        monkeypatch.setenv("ALERTMANAGER_RETRY_ATTEMPTS", "4")
        monkeypatch.setenv("ALERTMANAGER_RETRY_DELAY", "0.01")
        receiver.script(Answer(500), Answer(500), Answer(500))
        disable(world)
        relay = relay_of(world)
        assert relay.run_once() == Pass(sent=1)
        relay.close()
    assert len(receiver.requests) == 4


def test_options_win(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALERTMANAGER_URL", "http://127.0.0.1:9")
    inbox = Inbox()
    disable(world)
    assert relay_of(world, channels=[inbox], tries=1).run_once() == Pass(sent=1)
    assert len(inbox.alerts) == 1


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ALERTMANAGER_URL", "ftp://alerts"),
        ("ALERTMANAGER_URL", "http://alerts,nonsense"),
        ("ALERTMANAGER_URL", "http://x:99999"),
        ("ALERTMANAGER_TIMEOUT", "0"),
        ("ALERTMANAGER_TIMEOUT", "1e300"),
        ("ALERTMANAGER_RETRY_ATTEMPTS", "0"),
        ("ALERTMANAGER_RETRY_ATTEMPTS", "1000000000"),
        ("ALERTMANAGER_RETRY_DELAY", "soon"),
        ("ALERTMANAGER_RETRY_DELAY", "1e300"),
    ],
)
def test_what_cannot_be_names_the_variable_and_its_value_to_the_breaker_and_to_the_relay(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv("ALERTMANAGER_URL", "http://alerts")
    monkeypatch.setenv(variable, value)
    for make in (lambda: CircuitBreaker(Session()), lambda: create_relay(create_engine("sqlite://"))):
        with pytest.raises(InvalidArgumentError, match=f"^the environment variable {variable} is {value!r}: it must "):
            make()


def test_the_most_that_the_environment_may_say_makes_a_relay(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it together: what is in range variable by variable must not be refused as an option nobody gave."""
    monkeypatch.setenv("ALERTMANAGER_URL", "http://alerts")
    monkeypatch.setenv("ALERTMANAGER_TIMEOUT", "86400")
    monkeypatch.setenv("ALERTMANAGER_RETRY_ATTEMPTS", "1000")
    monkeypatch.setenv("ALERTMANAGER_RETRY_DELAY", "86400")
    relay = create_relay(create_engine("sqlite://"))
    assert isinstance(relay, Relay)
    assert relay._options.patience >= 1_000 * 86_400 + 1_023 * 86_400


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("tries", value) for value in ("3", None, 0, 1.5, True, 10**400)),
        *(("retry_base", value) for value in ("1", None, -1, float("nan"))),
        *(("lease", value) for value in ("1", None, 0)),
    ],
)
def test_an_option_that_cannot_be_is_named(option: str, value: Any) -> None:
    options: dict[str, Any] = {option: value}
    with pytest.raises(InvalidArgumentError, match=f"^{option} must be "):
        create_relay(create_engine("sqlite://"), **options)


@pytest.mark.parametrize(
    ("option", "value"), [("tries", 10**9), ("tries", 2**63 - 1), ("retry_base", 1e300), ("retry_base", 10**308)]
)
def test_an_option_that_a_relay_takes_is_not_refused_for_the_lease_that_follows(option: str, value: Any) -> None:
    options: dict[str, Any] = {option: value}
    relay = create_relay(create_engine("sqlite://"), **options)
    assert isinstance(relay, Relay)
    assert relay._options.lease == 36_500 * 86_400


def test_the_lease_holds_the_tries_and_back_offs_that_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALERTMANAGER_RETRY_DELAY", "1")
    monkeypatch.setenv("ALERTMANAGER_RETRY_ATTEMPTS", "1")
    relay = create_relay(create_engine("sqlite://"), tries=3, retry_base=50.0)
    assert isinstance(relay, Relay)
    assert relay._options.lease == pytest.approx((3 * 10 + 7 * 50) / 0.75 + 1)


def test_the_lease_holds_all_the_tries_of_a_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALERTMANAGER_TIMEOUT", "20")
    monkeypatch.setenv("ALERTMANAGER_RETRY_ATTEMPTS", "5")
    relay = create_relay(create_engine("sqlite://"))
    assert isinstance(relay, Relay)
    # Five tries of 20 s each; between and after them 1, 2, 4, 8 and 16 s at most; a second beyond.
    assert relay._options.lease == pytest.approx((5 * 20 + 31) / 0.75 + 1)
    assert relay._options.patience >= 5 * 20 + 1 + 2 + 4 + 8


@pytest.mark.parametrize(
    ("tries", "timeout", "lease"),
    [
        (1, 0.1, 30),
        (2, 7.3, (2 * 7.3 + 3) / 0.75 + 1),
        (10, 1, (10 + 1023) / 0.75 + 1),
        (12, 1, (12 + 1023) / 0.75 + 1),  # a back-off ends to double with the tenth try
    ],
)
def test_the_lease_grows_with_the_tries(
    monkeypatch: pytest.MonkeyPatch, tries: int, timeout: float, lease: float
) -> None:
    monkeypatch.setenv("ALERTMANAGER_TIMEOUT", str(timeout))
    monkeypatch.setenv("ALERTMANAGER_RETRY_ATTEMPTS", str(tries))
    relay = create_relay(create_engine("sqlite://"))
    assert isinstance(relay, Relay)
    assert relay._options.lease == pytest.approx(max(lease, 30))
