"""Every name, signature and asyncness of the origin's contract."""

from __future__ import annotations

import dataclasses
import inspect
import re
from datetime import UTC, datetime
from typing import Any, get_type_hints

import pytest
from sqlalchemy.orm import Session

import driftbreaker.costsim
import driftbreaker.costsim.circuit_breaker as module
from driftbreaker.costsim import (
    CircuitBreaker,
    CircuitBreakerState,
    FeatureIntent,
    Incident,
    RetryPolicy,
)

HOMES = [driftbreaker.costsim, module]
FUNCTION_NAMES = ("create_circuit_breaker", "is_v2_disabled", "disable_v2", "enable_v2")
CLASS_NAMES = ("CircuitBreakerState", "Incident", "CircuitBreaker", "FeatureIntent", "RetryPolicy")
EXPORTS = ("FEATURE_INTENT", "RETRY_POLICY", "logger", "CB_NAME", *FUNCTION_NAMES, *CLASS_NAMES)


@pytest.mark.parametrize("home", HOMES, ids=lambda home: home.__name__)
def test_every_export_is_in_both_homes(home: Any) -> None:
    for name in EXPORTS:
        assert getattr(home, name) is getattr(driftbreaker.costsim, name)


def test_constants() -> None:
    assert module.FEATURE_INTENT is FeatureIntent.STATE_MUTATION
    assert module.RETRY_POLICY is RetryPolicy.SAFE
    assert module.CB_NAME == "costsim_v2"
    assert module.logger.name.startswith("driftbreaker")
    assert [each.name for each in FeatureIntent] == [
        "PURE_QUERY",
        "STATE_MUTATION",
        "EXTERNAL_SIDE_EFFECT",
        "RECOVERABLE_OPERATION",
    ]
    assert [each.name for each in RetryPolicy] == ["NEVER", "SAFE", "DANGEROUS"]
    for enum in (FeatureIntent, RetryPolicy):
        assert all(each.value == each.name.lower() for each in enum)


def parameters(function: Any) -> list[tuple[str, Any]]:
    found = inspect.signature(function).parameters.values()
    return [(each.name, each.default) for each in found if each.name != "self"]


REQUIRED = inspect.Parameter.empty
FUNCTIONS: dict[str, tuple[bool, list[tuple[str, Any]], Any]] = {
    "create_circuit_breaker": (
        False,
        [("session", REQUIRED), ("failure_threshold", None), ("drift_threshold", None), ("name", "costsim_v2")],
        CircuitBreaker,
    ),
    "is_v2_disabled": (True, [("session", REQUIRED)], bool),
    "disable_v2": (
        True,
        [("session", REQUIRED), ("reason", REQUIRED), ("disabled_by", REQUIRED), ("disabled_until", None)],
        tuple[bool, Incident | None],
    ),
    "enable_v2": (True, [("session", REQUIRED), ("enabled_by", REQUIRED), ("reason", None)], bool),
}
METHODS: dict[str, tuple[bool, list[tuple[str, Any]], Any]] = {
    "__init__": (
        False,
        [("session", REQUIRED), ("failure_threshold", None), ("drift_threshold", None), ("name", "costsim_v2")],
        type(None),
    ),
    "is_disabled": (True, [], bool),
    "report_drift": (True, [("drift_score", REQUIRED), ("sample_count", 1), ("details", None)], Incident | None),
    "report_schema_error": (True, [("error_count", 1), ("details", None)], Incident | None),
    "disable_v2": (
        True,
        [("reason", REQUIRED), ("disabled_by", REQUIRED), ("disabled_until", None)],
        tuple[bool, Incident | None],
    ),
    "enable_v2": (True, [("enabled_by", REQUIRED), ("reason", None)], bool),
    "reset": (True, [("reason", None), ("reset_by", None)], bool),
    "is_open": (False, [], bool),
    "is_closed": (False, [], bool),
    "get_state": (False, [], CircuitBreakerState),
    "get_incidents": (False, [("include_resolved", False), ("limit", 10)], None),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name: str) -> None:
    check(getattr(module, name), *FUNCTIONS[name])


@pytest.mark.parametrize("name", METHODS)
def test_methods(name: str) -> None:
    check(getattr(CircuitBreaker, name), *METHODS[name])


def check(function: Any, awaited: bool, expected: list[tuple[str, Any]], returns: Any) -> None:
    assert inspect.iscoroutinefunction(function) is awaited
    assert parameters(function) == expected
    hints = get_type_hints(function)
    if "session" in dict(expected):
        assert hints["session"] is Session
    if returns is not None:
        assert hints["return"] == returns


def defaults(record: Any) -> dict[str, Any]:
    return {
        field.name: REQUIRED
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        else (field.default if field.default_factory is dataclasses.MISSING else field.default_factory())
        for field in dataclasses.fields(record)
    }


def test_state_fields() -> None:
    assert defaults(CircuitBreakerState) == {
        "is_open": REQUIRED,
        "opened_at": None,
        "reason": None,
        "incident_id": None,
        "consecutive_failures": 0,
        "last_failure_at": None,
        "disabled_until": None,
        "disabled_by": None,
    }


def test_incident_fields() -> None:
    assert defaults(Incident) == {
        "id": REQUIRED,
        "timestamp": REQUIRED,
        "reason": REQUIRED,
        "severity": REQUIRED,
        "drift_score": REQUIRED,
        "sample_count": REQUIRED,
        "details": {},
        "resolved": False,
        "resolved_at": None,
        "resolved_by": None,
        "resolution_notes": None,
        "alert_sent": False,
        "alert_sent_at": None,
    }
    assert get_type_hints(Incident)["details"] == dict[str, Any]


def test_to_dict_renders_times_and_leaves_the_rest() -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    incident = Incident("i", at, "why", "P1", 0.5, 3, {"n": [1, 2]})
    assert incident.to_dict() == {
        **dict.fromkeys(("resolved_at", "resolved_by", "resolution_notes", "alert_sent_at")),
        "id": "i",
        "timestamp": "2026-01-02T03:04:05+00:00",
        "reason": "why",
        "severity": "P1",
        "drift_score": 0.5,
        "sample_count": 3,
        "details": {"n": [1, 2]},
        "resolved": False,
        "alert_sent": False,
    }
    state = CircuitBreakerState(is_open=True, opened_at=at)
    assert state.to_dict()["opened_at"] == "2026-01-02T03:04:05+00:00"
    assert list(state.to_dict()) == list(defaults(CircuitBreakerState))


def test_nothing_outside_this_room_says_v2() -> None:
    from pathlib import Path

    package = Path(inspect.getfile(driftbreaker.costsim)).parent.parent
    rooms = [path for path in package.rglob("*.py") if not {"costsim", "cli"} & set(path.parts)]
    assert len(rooms) > 20
    assert [path.name for path in rooms if "v2" in re.sub("api[/ ]v2", "", path.read_text().lower())] == []
