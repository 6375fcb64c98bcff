"""Records render as plain dictionaries: times as ISO 8601, the rest as it is."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

import pytest

from driftbreaker import costsim
from driftbreaker.model import (
    ActorKind,
    BreakerState,
    Change,
    HistoryEntry,
    Incident,
    IncidentStatus,
    Key,
    Status,
)

NOON = datetime(2026, 1, 1, 12, 0, 0, 5, tzinfo=UTC)
ISO = "2026-01-01T12:00:00.000005+00:00"
INCIDENT = {"id": "i", "timestamp": NOON, "reason": "r", "severity": "P1", "drift_score": 0.5, "sample_count": 2}

STATE = BreakerState(name="pricing", scope="eu", status=Status.OPEN, is_open=True, opened_at=NOON, held_until=NOON)
RECORD = Incident(**INCIDENT, name="pricing", scope="", details={"at": NOON}, resolved=True, resolved_at=NOON)
ENTRY = HistoryEntry(
    seq=1,
    name="pricing",
    scope="",
    at=NOON,
    change=Change.TRIP,
    old_status=Status.CLOSED,
    new_status=Status.OPEN,
    actor="circuit_breaker",
    actor_kind=ActorKind.SYSTEM,
    reason="r",
    incident_id="i",
    details={},
    door="session",
    source="system",
    generation=1,
    version=1,
)


@pytest.mark.parametrize(
    "record",
    [
        STATE,
        RECORD,
        ENTRY,
        costsim.CircuitBreakerState(is_open=True, opened_at=NOON),
        costsim.Incident(**INCIDENT, alert_sent_at=NOON),
    ],
    ids=lambda record: f"{type(record).__module__}.{type(record).__name__}",
)
def test_every_field_is_rendered_times_as_iso_and_the_rest_as_it_is(record: Any) -> None:
    rendered = record.to_dict()
    assert list(rendered) == [each.name for each in fields(record)]
    for name, value in rendered.items():
        field = getattr(record, name)
        assert value == (field.isoformat() if isinstance(field, datetime) else field)
    assert ISO in rendered.values()


def test_states_compare_equal_to_their_words() -> None:
    assert STATE.to_dict()["status"] == "open"
    assert RECORD.to_dict()["status"] == IncidentStatus.OPEN == "open"


def test_what_lies_inside_details_is_left_as_it_is() -> None:
    assert RECORD.to_dict()["details"] == {"at": NOON}


def test_the_contracts_records_have_the_contracts_defaults() -> None:
    assert costsim.CircuitBreakerState(False).to_dict() == {
        "is_open": False,
        "opened_at": None,
        "reason": None,
        "incident_id": None,
        "consecutive_failures": 0,
        "last_failure_at": None,
        "disabled_until": None,
        "disabled_by": None,
    }
    assert costsim.Incident(**INCIDENT).to_dict() == {
        **INCIDENT,
        "timestamp": ISO,
        "details": {},
        "resolved": False,
        "resolved_at": None,
        "resolved_by": None,
        "resolution_notes": None,
        "alert_sent": False,
        "alert_sent_at": None,
    }


@pytest.mark.parametrize("kind", [costsim.CircuitBreakerState, costsim.Incident])
def test_the_contracts_records_ask_for_what_is_required(kind: type) -> None:
    with pytest.raises(TypeError, match="required positional argument"):
        kind()


def test_two_incidents_share_no_details() -> None:
    one, other = costsim.Incident(**INCIDENT), costsim.Incident(**INCIDENT)
    one.details["a"] = 1
    assert other.details == {}


def test_a_key_reads_as_its_name_and_its_scope_if_any() -> None:
    assert str(Key("pricing", "")) == "'pricing'"
    assert str(Key("pricing", "eu")) == "'pricing' scope 'eu'"
