"""What the environment says, variable by variable; what it says wrongly is named with its value."""

from __future__ import annotations

import socket
import traceback
from datetime import timedelta
from typing import Any

import pytest

from driftbreaker.costsim.configuration import Configuration
from driftbreaker.errors import InvalidArgumentError

DEFAULTS: dict[str, Any] = {
    "drift_threshold": 0.2,
    "warning_threshold": 0.15,
    "failure_threshold": 3,
    "schema_error_threshold": 5,
    "auto_disable": True,
    "auto_recover": True,
    "ttl": timedelta(hours=24),
    "incident_dir": None,
    "alertmanager_url": None,
    "alertmanager_timeout": 10.0,
    "alertmanager_retry_attempts": 3,
    "alertmanager_retry_delay": 1.0,
}


def configured(**environment: str) -> Configuration:
    return Configuration.from_environment(environment)


def test_an_empty_environment_means_the_contracts_defaults() -> None:
    configuration = configured()
    assert {name: getattr(configuration, name) for name in DEFAULTS} == DEFAULTS
    assert configuration.instance_id == socket.gethostname()


@pytest.mark.parametrize(
    ("variable", "text", "field", "value"),
    [
        ("COSTSIM_DRIFT_THRESHOLD", "0.3", "drift_threshold", 0.3),
        ("COSTSIM_DRIFT_THRESHOLD", "0", "drift_threshold", 0.0),
        ("COSTSIM_DRIFT_THRESHOLD", " 1e-3 ", "drift_threshold", 0.001),
        *(("COSTSIM_DRIFT_THRESHOLD", text, "drift_threshold", 0.5) for text in (".5", "+0.50", "5E-1", "05e-01")),
        ("COSTSIM_DRIFT_THRESHOLD", "7.", "drift_threshold", 7.0),
        ("COSTSIM_DRIFT_WARNING_THRESHOLD", "0.9", "warning_threshold", 0.9),
        ("COSTSIM_FAILURE_THRESHOLD", "7", "failure_threshold", 7),
        ("COSTSIM_SCHEMA_ERROR_THRESHOLD", "9", "schema_error_threshold", 9),
        *(("COSTSIM_V2_AUTO_DISABLE", text, "auto_disable", True) for text in ("true", "TRUE", "1", "yes", "on")),
        *(("COSTSIM_V2_AUTO_DISABLE", text, "auto_disable", False) for text in ("false", "False", "0", "no", "off")),
        ("COSTSIM_AUTO_RECOVER", "false", "auto_recover", False),
        ("COSTSIM_DISABLE_TTL_HOURS", "0", "ttl", None),
        ("COSTSIM_DISABLE_TTL_HOURS", "0.5", "ttl", timedelta(minutes=30)),
        ("COSTSIM_DISABLE_TTL_HOURS", "876000", "ttl", timedelta(days=36_500)),
        ("COSTSIM_INCIDENT_DIR", "/var/incidents", "incident_dir", "/var/incidents"),
        ("COSTSIM_INCIDENT_DIR", "", "incident_dir", None),
        ("ALERTMANAGER_URL", "http://alertmanager:9093", "alertmanager_url", "http://alertmanager:9093"),
        ("ALERTMANAGER_URL", "http://am-0:65535, http://am-1,", "alertmanager_url", "http://am-0:65535, http://am-1,"),
        ("ALERTMANAGER_URL", "", "alertmanager_url", None),
        ("ALERTMANAGER_TIMEOUT", "2.5", "alertmanager_timeout", 2.5),
        ("ALERTMANAGER_TIMEOUT", "0.001", "alertmanager_timeout", 0.001),
        ("ALERTMANAGER_TIMEOUT", "86400", "alertmanager_timeout", 86_400.0),
        ("ALERTMANAGER_RETRY_ATTEMPTS", "5", "alertmanager_retry_attempts", 5),
        ("ALERTMANAGER_RETRY_ATTEMPTS", "1000", "alertmanager_retry_attempts", 1_000),
        ("ALERTMANAGER_RETRY_DELAY", "0", "alertmanager_retry_delay", 0.0),
        ("ALERTMANAGER_RETRY_DELAY", "86400", "alertmanager_retry_delay", 86_400.0),
        ("INSTANCE_ID", "pod-7", "instance_id", "pod-7"),
    ],
)
def test_each_variable_is_read(variable: str, text: str, field: str, value: Any) -> None:
    configuration = configured(**{variable: text})
    assert getattr(configuration, field) == value
    others = {name: default for name, default in DEFAULTS.items() if name != field}
    assert {name: getattr(configuration, name) for name in others} == others


@pytest.mark.parametrize("text", ["", "  "])
def test_a_blank_instance_id_means_the_host_name(text: str) -> None:
    assert configured(INSTANCE_ID=text).instance_id == socket.gethostname()


# One rule for every number: Python itself would take an underscore, and the digits of any script.
NUMBERS = ["", "abc", "0.2.3", "0,2", "None", "0x1", "1_0", "٣", "1e", ".", "+-1"]
BEYOND = ["nan", "inf", "-0.1", "1e400"]


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        *(("COSTSIM_DRIFT_THRESHOLD", text) for text in NUMBERS + BEYOND),
        *(("COSTSIM_DRIFT_WARNING_THRESHOLD", text) for text in NUMBERS + BEYOND),
        *(
            ("COSTSIM_FAILURE_THRESHOLD", text)
            for text in [*NUMBERS, *BEYOND, "0", "-1", "1.5", "1_000", str(2**63), "9" * 30]
        ),
        *(("COSTSIM_SCHEMA_ERROR_THRESHOLD", text) for text in [*NUMBERS, "0", "2.0"]),
        *(("COSTSIM_V2_AUTO_DISABLE", text) for text in ["", "maybe", "2", "t"]),
        *(("COSTSIM_AUTO_RECOVER", text) for text in ["", "maybe", "-1"]),
        *(("COSTSIM_DISABLE_TTL_HOURS", text) for text in [*NUMBERS, *BEYOND, "876001", "1e-12"]),
        *(("ALERTMANAGER_URL", text) for text in ["alertmanager:9093", "ftp://host", "http://", "https:///path", ","]),
        *(
            ("ALERTMANAGER_URL", f"http://{place}")
            for place in ["x:99999", "x:0", "x:a", "a b", "[x]", "[::1", "\u2024"]
        ),
        *(
            ("ALERTMANAGER_URL", text)
            for text in ["http://a,nonsense", "http://a,http://a", "http://a/api/v2,http://a"]
        ),
        *(("ALERTMANAGER_TIMEOUT", text) for text in [*NUMBERS, *BEYOND, "0", "0.0009", "86400.1", "1e300"]),
        *(("ALERTMANAGER_RETRY_ATTEMPTS", text) for text in [*NUMBERS, "0", "1.5", "1001", "1000000000"]),
        *(("ALERTMANAGER_RETRY_DELAY", text) for text in [*NUMBERS, *BEYOND, "86400.1", "1e300"]),
    ],
    ids=lambda text: text[:30],
)
def test_a_value_that_cannot_be_is_named_with_its_variable(variable: str, text: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        configured(**{variable: text})
    sentence = str(caught.value)
    assert sentence.startswith(f"the environment variable {variable} is ")
    assert repr(text)[:30] in sentence
    assert ": it must be " in sentence


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://user:hidden@am:99999", "'http://***@am:99999'"),
        ("http://am-0,https://user:hidd,en@am-1:99999/prefix", "'http://***@am-1:99999/prefix'"),
        ("user:hidden@am", "'***@am'"),
        ("https://am/prefix?key=hidden", "'https://am/prefix?***'"),
        ("ftp://user:hid?den@am?key=hidden", "'ftp://***@am?***'"),
    ],
)
def test_what_may_be_secret_in_a_url_is_not_shown(url: str, shown: str) -> None:
    """An error is logged, and tracked by strangers."""
    with pytest.raises(InvalidArgumentError) as caught:
        configured(ALERTMANAGER_URL=url)
    assert str(caught.value).startswith(f"the environment variable ALERTMANAGER_URL is {shown}: it must ")
    assert "hid" not in "".join(traceback.format_exception(caught.value))


def test_it_is_read_from_the_process_when_nothing_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COSTSIM_FAILURE_THRESHOLD", "8")
    assert Configuration.from_environment().failure_threshold == 8


def test_thresholds_given_in_code_win_over_the_environment_and_zero_is_given() -> None:
    configuration = configured(COSTSIM_DRIFT_THRESHOLD="0.7", COSTSIM_FAILURE_THRESHOLD="7")
    given, read = configuration.settings(1, 0.0), configuration.settings(None, None)
    assert (given.failure_threshold, given.drift_threshold) == (1, 0.0)
    assert (read.failure_threshold, read.drift_threshold) == (7, 0.7)


def test_the_settings_carry_what_the_environment_decides() -> None:
    configuration = configured(
        COSTSIM_DRIFT_WARNING_THRESHOLD="0.1",
        COSTSIM_SCHEMA_ERROR_THRESHOLD="9",
        COSTSIM_V2_AUTO_DISABLE="no",
        COSTSIM_AUTO_RECOVER="no",
        COSTSIM_DISABLE_TTL_HOURS="1",
    )
    settings = configuration.settings(None, None)
    assert (settings.warning_threshold, settings.schema_error_threshold) == (0.1, 9)
    assert (settings.auto_disable, settings.auto_recover, settings.ttl) == (False, False, timedelta(hours=1))
    assert (settings.alert.alertname, settings.alert.component) == ("CostSimV2Disabled", "costsim")
