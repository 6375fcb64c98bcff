"""What a row carries of settings is read back as it was, or refused."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftbreaker import AlertSettings, BreakerSettings, InvalidArgumentError, Severity
from tests.support.desk import at_scale

LENGTHS = st.integers(1, 36_500 * 86_400_000).map(lambda milliseconds: timedelta(milliseconds=milliseconds))
SCORES = st.floats(0, 1e300)
WORDS = st.text(st.characters(codec="utf-8", categories=["L", "N"]), min_size=1, max_size=20)
ALERTS = st.builds(
    AlertSettings,
    alertname=WORDS,
    component=WORDS,
    labels=st.dictionaries(st.sampled_from(["service", "team"]), WORDS),
    severities=st.fixed_dictionaries(dict.fromkeys(Severity, WORDS)),
    runbook_url=st.none() | st.just("https://wiki.example.com/run-book"),
)
SETTINGS = st.builds(
    BreakerSettings,
    failure_threshold=st.integers(1, 2**63 - 1),
    drift_threshold=SCORES,
    warning_threshold=st.none() | SCORES,
    schema_error_threshold=st.integers(1, 2**63 - 1),
    auto_disable=st.booleans(),
    auto_recover=st.booleans(),
    ttl=st.none() | LENGTHS,
    alert=ALERTS,
)


@at_scale
@given(SETTINGS)
def test_settings_are_read_back_as_they_were_stored(settings: BreakerSettings) -> None:
    read = BreakerSettings.from_dict(json.loads(settings.as_json))
    assert read == settings
    assert (read.as_json, read.hash) == (settings.as_json, settings.hash)


STORED = json.loads(BreakerSettings().as_json)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"half_open": True}, "the settings are another version's"),
        ({"failure_threshold": 0}, "failure_threshold must be an integer from 1 to"),
        ({"ttl_milliseconds": "x"}, "these are no settings"),
        ({"ttl_milliseconds": 10**30}, "these are no settings"),
        ({"alert": None}, "these are no settings"),
        ({"alert": {"severities": {"P9": "x"}}}, "P9"),
    ],
    ids=str,
)
def test_what_another_version_stored_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidArgumentError, match=said):
        BreakerSettings.from_dict({**STORED, **change})


@pytest.mark.parametrize("missing", sorted(STORED))
def test_what_is_missing_is_no_default(missing: str) -> None:
    with pytest.raises(InvalidArgumentError):
        BreakerSettings.from_dict({name: each for name, each in STORED.items() if name != missing})


@pytest.mark.parametrize("data", [[], "text", None, 3], ids=str)
def test_what_is_no_object_is_refused(data: Any) -> None:
    with pytest.raises(InvalidArgumentError):
        BreakerSettings.from_dict(data)
