"""Whatever is given for a setting is refused, or works in a count, a trip and an opening by hand."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import datetime
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine

from driftbreaker import (
    AlertSettings,
    BreakerSettings,
    DriftbreakerError,
    InvalidArgumentError,
    Severity,
    Tables,
    listen,
)
from driftbreaker.costsim import create_relay
from driftbreaker.costsim.configuration import Configuration
from driftbreaker.testing import ManualClock
from tests.support.desk import REFUSALS, Desk, at_scale, refused, trip
from tests.support.odd import ODD, TEXTS

BREAKER_SETTINGS = [
    "failure_threshold",
    "drift_threshold",
    "warning_threshold",
    "schema_error_threshold",
    "auto_disable",
    "auto_recover",
    "ttl",
    "alert",
]


@pytest.mark.parametrize("setting", BREAKER_SETTINGS)
def test_settings_of_breakers(desk: Desk, setting: str) -> None:
    @at_scale
    @given(ODD)
    def holds(value: Any) -> None:
        desk.tries(lambda session: trip(session, BreakerSettings(**{setting: value})))

    holds()


@pytest.mark.parametrize("setting", ["alertname", "component", "labels", "severities", "runbook_url", "generator_url"])
def test_settings_of_alerts(desk: Desk, setting: str) -> None:
    values = {
        # From pairs, not as a dictionary: Hypothesis asks what is to be a key for its class, and some refuse to say.
        "labels": st.lists(
            st.tuples(st.one_of(st.from_regex("[a-z_]+", fullmatch=True), ODD.filter(hashable)), ODD), max_size=3
        ).map(dict),
        "severities": st.fixed_dictionaries(dict.fromkeys(Severity, st.one_of(st.just("high"), ODD))),
        "runbook_url": st.text(st.characters(codec=None)).map("https://a".__add__),
        "generator_url": st.text(st.characters(codec=None)).map("https://a".__add__),
    }

    @at_scale
    @given(st.one_of(values[setting], ODD) if setting in values else ODD)
    def holds(value: Any) -> None:
        desk.tries(lambda session: trip(session, BreakerSettings(alert=AlertSettings(**{setting: value}))))

    holds()


def hashable(value: Any) -> bool:
    try:
        hash(value)
    except Exception:
        return False
    return True


def test_prefixes_and_schemas() -> None:
    @at_scale
    @given(st.one_of(st.just("a_"), ODD), st.one_of(st.none(), ODD))
    def holds(prefix: Any, schema: Any) -> None:
        with suppress(InvalidArgumentError):
            tables = Tables(prefix, schema)
            assert type(tables.prefix) is str
            assert len(tables.prefix.encode()) <= 30

    holds()


def test_listeners() -> None:
    @at_scale
    @given(ODD)
    def holds(listener: Any) -> None:
        with suppress(InvalidArgumentError):
            remove = listen(listener)
            remove()
            remove()

    holds()


VARIABLES = [
    *(f"COSTSIM_{name}" for name in ("DRIFT_THRESHOLD", "DRIFT_WARNING_THRESHOLD", "FAILURE_THRESHOLD")),
    *(f"COSTSIM_{name}" for name in ("SCHEMA_ERROR_THRESHOLD", "V2_AUTO_DISABLE", "AUTO_RECOVER", "DISABLE_TTL_HOURS")),
    *(f"ALERTMANAGER_{name}" for name in ("URL", "TIMEOUT", "RETRY_ATTEMPTS", "RETRY_DELAY")),
    "COSTSIM_INCIDENT_DIR",
    "INSTANCE_ID",
]


ENGINE = create_engine("sqlite://")
PEERS = st.builds("http{}://{}:{}{}".format, st.sampled_from(["", "s"]), TEXTS, st.integers(-1, 2**17), TEXTS)


@pytest.mark.parametrize("variable", VARIABLES)
def test_environments(variable: str) -> None:
    """What cannot be is refused by its name; what a breaker takes, the relay takes, and refuses in the same words."""
    numbers = st.one_of(st.floats(), st.integers(), st.decimals(), st.floats(0, 1e5), st.integers(0, 2_000)).map(str)
    several = st.lists(PEERS, min_size=1, max_size=3).map(",".join)

    @at_scale
    @given(st.one_of(numbers, several, ODD))
    def holds(value: Any) -> None:
        refusal = refused(lambda: Configuration.from_environment({variable: value}).settings(None, None))
        assert refusal is None or variable in refusal
        with mock.patch.object(os, "environ", {variable: value}):
            assert refused(create_relay, ENGINE) == refusal

    holds()


def test_no_environment_at_all() -> None:
    @at_scale
    @given(ODD)
    def holds(environment: Any) -> None:
        with suppress(InvalidArgumentError):
            Configuration.from_environment(environment)

    holds()


def test_clocks() -> None:
    @at_scale
    @given(ODD, ODD)
    def holds(start: Any, by: Any) -> None:
        with suppress(InvalidArgumentError):
            ManualClock(start)
        clock = ManualClock()
        before = clock.now()
        refusal = refused(clock.advance, by)
        assert refusal is None or clock.now() == before
        assert type(clock.now()) is datetime

    holds()


def test_every_refusal_is_ours() -> None:
    assert all(issubclass(kind, DriftbreakerError) and issubclass(kind, (ValueError, TypeError)) for kind in REFUSALS)
