"""Settings refuse what cannot be, and say the same thing about the same breaker everywhere."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
from datetime import timedelta
from decimal import Decimal
from enum import IntEnum
from fractions import Fraction
from typing import Any

import pytest

from driftbreaker.errors import InvalidArgumentError
from driftbreaker.model import Key, Severity
from driftbreaker.settings import RESERVED_LABELS, AlertSettings, BreakerSettings, identity_of

NAN = float("nan")


class Three(IntEnum):
    THREE = 3


REFUSED: list[tuple[str, Any, str]] = [
    *(("failure_threshold", value, "failure_threshold must be an integer") for value in (0, -1, 1.5, True, "3", 2**63)),
    *(("failure_threshold", value, "failure_threshold must be an integer >= 1") for value in (None, NAN, 3.0)),
    *(("schema_error_threshold", value, "schema_error_threshold must be an integer") for value in (0, True, "5", NAN)),
    *(("drift_threshold", value, "drift_threshold must be a finite number >= 0") for value in (-0.1, NAN, True, "0.2")),
    ("drift_threshold", None, "drift_threshold must be a finite number >= 0, got None"),
    ("drift_threshold", 10**400, "drift_threshold must be a number that fits a float, got 1000"),
    ("warning_threshold", -1, "warning_threshold must be a finite number >= 0, got -1"),
    ("warning_threshold", float("inf"), "warning_threshold must be a finite number >= 0, got inf"),
    *((name, "yes", f"{name} must be True or False, got 'yes'") for name in ("auto_disable", "auto_recover")),
    *((name, 1, f"{name} must be True or False, got 1") for name in ("auto_disable", "auto_recover")),
    ("ttl", timedelta(0), "ttl must be a timedelta above zero and up to 36500 days, or None for no end"),
    ("ttl", 3600, "ttl must be a timedelta above zero and up to 36500 days, or None for no end, got 3600"),
    ("alert", {"alertname": "X"}, "alert must be AlertSettings, got {'alertname': 'X'}"),
    ("alert", None, "alert must be AlertSettings, got None"),
]


@pytest.mark.parametrize(("setting", "value", "said"), REFUSED, ids=lambda each: repr(each)[:40])
def test_a_setting_that_cannot_be_is_refused_by_name_and_value(setting: str, value: Any, said: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        BreakerSettings(**{setting: value})
    assert str(caught.value).startswith(said)
    assert ", got " in str(caught.value)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("alertname", ""),
        ("alertname", None),
        ("alertname", "x" * 257),
        ("component", "a\x00"),
        ("component", "\ud800"),
        ("labels", {"service": ""}),
        ("labels", {"service": 7}),
        ("labels", {"not-a-name": "x"}),
        ("labels", {"1st": "x"}),
        ("labels", {"": "x"}),
        ("labels", {7: "x"}),
        *(("labels", {name: "x"}) for name in sorted(RESERVED_LABELS)),
        ("severities", {}),
        ("severities", {Severity.P1: "critical", Severity.P2: "warning"}),
        ("severities", {Severity.P1: "", Severity.P2: "warning", Severity.P3: "info"}),
        ("runbook_url", "runbook"),
        ("runbook_url", "ftp://example.com"),
        ("runbook_url", 7),
        ("generator_url", "https://"),
    ],
)
def test_an_alert_that_no_receiver_could_take_is_refused(setting: str, value: Any) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        AlertSettings(**{setting: value})
    assert ("must" in str(caught.value)) or ("choose another name" in str(caught.value))


@pytest.mark.parametrize("setting", ["labels", "severities"])
@pytest.mark.parametrize("value", [None, 7, "text", [("a", "b")]])
def test_what_is_no_mapping_is_refused_where_one_belongs(setting: str, value: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=setting):
        AlertSettings(**{setting: value})


def test_the_defaults_are_the_contracts() -> None:
    settings = BreakerSettings()
    assert (settings.failure_threshold, settings.drift_threshold, settings.warning_threshold) == (3, 0.2, 0.15)
    assert (settings.schema_error_threshold, settings.auto_disable, settings.auto_recover) == (5, True, True)
    assert settings.ttl == timedelta(hours=24)


def test_a_drift_threshold_of_zero_is_honoured() -> None:
    assert BreakerSettings(drift_threshold=0).drift_threshold == 0.0
    assert json.loads(BreakerSettings(drift_threshold=0.0).as_json)["drift_threshold"] == 0.0


@pytest.mark.parametrize("threshold", [Fraction(1, 4), Decimal("0.25"), 0.25])
def test_thresholds_of_every_kind_of_number_are_kept_as_plain_ones(threshold: Any) -> None:
    """A Fraction cannot be formatted as the reason of a trip, and no driver binds one."""
    settings = BreakerSettings(
        failure_threshold=Three.THREE,
        schema_error_threshold=Three.THREE,
        drift_threshold=threshold,
        warning_threshold=threshold,
    )
    assert type(settings.failure_threshold) is type(settings.schema_error_threshold) is int
    assert type(settings.drift_threshold) is type(settings.warning_threshold) is float
    assert settings == BreakerSettings(
        failure_threshold=3, schema_error_threshold=3, drift_threshold=0.25, warning_threshold=0.25
    )


@pytest.mark.parametrize(
    ("ttl", "milliseconds"),
    [
        (None, None),
        (timedelta(hours=24), 86_400_000),
        (timedelta(milliseconds=1), 1),
        (timedelta(microseconds=1), 1),
        (timedelta(milliseconds=1, microseconds=1), 2),
        (timedelta(milliseconds=1, microseconds=999), 2),
        (timedelta(days=36_500), 36_500 * 86_400_000),
    ],
)
def test_a_time_to_live_is_rounded_up_to_whole_milliseconds(ttl: timedelta | None, milliseconds: int | None) -> None:
    assert BreakerSettings(ttl=ttl).ttl_milliseconds == milliseconds


def test_settings_that_say_the_same_have_the_same_json_and_hash() -> None:
    one = BreakerSettings(drift_threshold=1, alert=AlertSettings(labels={"a": "1", "b": "2"}))
    other = BreakerSettings(drift_threshold=1.0, alert=AlertSettings(labels={"b": "2", "a": "1"}))
    assert one.as_json == other.as_json
    assert one.hash == other.hash


def test_the_hash_of_the_defaults_stays_from_release_to_release() -> None:
    """A changed rendering would look, in every history, as if the code's settings had changed."""
    assert BreakerSettings().hash == "36b58a4b0a5ed991"


@pytest.mark.parametrize(
    "change",
    [
        {"failure_threshold": 4},
        {"drift_threshold": 0.3},
        {"warning_threshold": None},
        {"schema_error_threshold": 6},
        {"auto_disable": False},
        {"auto_recover": False},
        {"ttl": None},
        {"alert": AlertSettings(alertname="Other")},
        {"alert": AlertSettings(labels={"service": "pricing"})},
        {"alert": AlertSettings(runbook_url="https://example.com/runbook")},
    ],
    ids=str,
)
def test_every_setting_shows_in_the_hash(change: dict[str, Any]) -> None:
    assert BreakerSettings(**change).hash != BreakerSettings().hash


def test_alert_settings_come_back_from_plain_data_as_they_were() -> None:
    alert = AlertSettings(
        alertname="X",
        component="y",
        labels={"service": "pricing"},
        severities={Severity.P1: "page", Severity.P2: "ticket", Severity.P3: "log"},
        runbook_url="https://example.com/runbook",
        generator_url="http://example.com",
    )
    back = AlertSettings.from_dict(json.loads(json.dumps(alert.to_dict())))
    assert back == alert
    assert back.labels_for(Key("pricing", ""), Severity.P1) == alert.labels_for(Key("pricing", ""), Severity.P1)


def test_severities_may_be_named_by_plain_text() -> None:
    alert = AlertSettings(severities={"P1": "page", "P2": "ticket", "P3": "log"})
    assert AlertSettings.from_dict(alert.to_dict()) == alert
    assert BreakerSettings(alert=alert).hash
    assert alert.labels_for(Key("pricing", ""), Severity.P2)["severity"] == "ticket"


def test_a_callers_dictionary_that_changes_later_changes_no_identity() -> None:
    labels = {"service": "pricing"}
    alert = AlertSettings(labels=labels)
    labels["service"] = "other"
    assert alert.labels_for(Key("pricing", ""), Severity.P1)["service"] == "pricing"


def test_the_labels_are_those_of_the_contract() -> None:
    alert = AlertSettings(alertname="CostSimV2Disabled", component="costsim", labels={"service": "pricing"})
    assert alert.labels_for(Key("costsim_v2", "eu"), Severity.P1) == {
        "alertname": "CostSimV2Disabled",
        "severity": "critical",
        "priority": "P1",
        "component": "costsim",
        "circuit_breaker": "costsim_v2",
        "scope": "eu",
        "service": "pricing",
    }


def test_an_empty_scope_is_no_label() -> None:
    """Alertmanager drops empty labels: the resolve's set must be what the receiver stored."""
    assert "scope" not in AlertSettings().labels_for(Key("pricing", ""), Severity.P2)


def test_the_identity_tells_scopes_names_and_severities_apart() -> None:
    alert = AlertSettings()
    keys = [Key("a", ""), Key("a", "b"), Key("b", ""), Key("b", "a")]
    identities = {identity_of(alert.labels_for(key, severity)) for key in keys for severity in Severity}
    assert len(identities) == len(keys) * len(Severity)


def test_the_identity_does_not_depend_on_the_order_of_labels() -> None:
    assert identity_of({"a": "1", "b": "2"}) == identity_of({"b": "2", "a": "1"})


def test_settings_can_be_pickled_copied_hashed_and_taken_apart() -> None:
    settings = BreakerSettings(alert=AlertSettings(labels={"env": "prod"}))
    assert pickle.loads(pickle.dumps(settings)) == settings  # noqa: S301  our own bytes
    assert copy.deepcopy(settings).hash == settings.hash
    assert hash(settings) == hash(BreakerSettings(alert=AlertSettings(labels={"env": "prod"})))
    assert dataclasses.asdict(settings)["alert"]["labels"] == {"env": "prod"}


def test_a_callers_dictionary_may_change_later() -> None:
    labels = {"env": "prod"}
    alert = AlertSettings(labels=labels)
    labels["env"] = "test"
    assert alert.labels == {"env": "prod"}


def test_what_is_refused_is_not_shown_at_length() -> None:
    long = "日" * 100_000
    labels: list[dict[str, Any]] = [{long: "x"}, {"a": long}, {"x" * 257: "x"}, {"x" * 100_000: None}]
    for settings in (*({"labels": each} for each in labels), {"runbook_url": long}):
        with pytest.raises(InvalidArgumentError) as caught:
            AlertSettings(**settings)
        assert len(str(caught.value)) < 300
