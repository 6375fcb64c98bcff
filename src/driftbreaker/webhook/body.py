"""The two shapes of a webhook's body: our own, and the one that receivers of Alertmanager's webhooks know."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from ..alerts import Alert
from ..clean import MARK, fit_text, to_json
from ..posting import annotations_within, instant, usable_uri

MAX_BODY = 64 * 1024
MAX_TEXT = 4_096
_NO_END = "0001-01-01T00:00:00Z"  # what Alertmanager says of an alert that is firing
# Each is less to read, and takes less room. Labels cannot be cut: they say which breaker it is.
_ROOMS = (12 * 1024, 4 * 1024, 1024, 0)


class TooLongError(ValueError):
    """Even without any text the body is too long: the labels are."""


def json_body(alert: Alert) -> bytes:
    """Return our own shape: a type, a time, and the incident's facts, at most 64 KiB."""
    return _first_fitting(alert, _own)


def alertmanager_body(alert: Alert, receiver: str) -> bytes:
    """Return what an Alertmanager grouping by every label would send its webhook receiver, at most 64 KiB."""
    return _first_fitting(alert, lambda alert, room: _alertmanagers(alert, room, receiver))


def fingerprint(labels: Mapping[str, str]) -> str:
    """Return the fingerprint by which Alertmanager knows a label set: 64-bit FNV-1a over sorted names and values."""
    digest = 0xCBF29CE484222325
    for name in sorted(labels, key=str.encode):
        for byte in name.encode() + b"\xff" + labels[name].encode() + b"\xff":
            digest = ((digest ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return f"{digest:016x}"


def _first_fitting(alert: Alert, shape: Callable[[Alert, int], dict[str, Any]]) -> bytes:
    for room in _ROOMS:
        body = to_json(shape(alert, room)).encode("utf-8", "replace")
        if len(body) <= MAX_BODY:
            return body
    raise TooLongError(f"its labels make a body of {len(body)} bytes of at most {MAX_BODY}: give the breaker fewer")


def _own(alert: Alert, room: int) -> dict[str, Any]:
    happened = alert.starts_at if alert.firing else (alert.ends_at or alert.now)
    notes = annotations_within(alert, room)
    return {
        "type": "incident.opened" if alert.firing else "incident.resolved",
        "timestamp": instant(happened),
        "data": {
            "breaker": alert.name,
            "scope": alert.scope,
            "status": alert.state.value,
            "summary": notes.get("summary", ""),
            "description": notes.get("description", ""),
            "starts_at": instant(alert.starts_at),
            "ends_at": _instant_or_none(alert.ends_at),
            "held_until": _instant_or_none(alert.held_until),
            "held_by": alert.held_by,
            "labels": dict(alert.labels),
            "runbook_url": notes.get("runbook_url"),
            "generator_url": usable_uri(alert.generator_url),
            "incident": _incident(alert, room),
        },
    }


def _incident(alert: Alert, room: int) -> dict[str, Any]:
    incident = alert.incident
    longest = min(room, MAX_TEXT)
    # Details are the evidence, up to 64 KiB of it: they come along where they fit, and are in the table in any case.
    details = incident.details if len(to_json(incident.details)) <= room else {MARK: MARK}
    return {
        "id": incident.id,
        "severity": incident.severity,
        "status": incident.status.value,
        "timestamp": instant(incident.timestamp),
        "reason": fit_text(incident.reason, longest),
        "drift_score": incident.drift_score,
        "sample_count": incident.sample_count,
        "details": details,
        "resolved_at": _instant_or_none(incident.resolved_at),
        "resolved_by": incident.resolved_by,
        "resolution_notes": fit_text(incident.resolution_notes or "", longest) or None,
    }


def _alertmanagers(alert: Alert, room: int, receiver: str) -> dict[str, Any]:
    labels, notes = dict(alert.labels), annotations_within(alert, room)
    link = usable_uri(alert.generator_url) or ""
    return {
        "version": "4",
        "groupKey": f"{{}}:{{driftbreaker={alert.identity!r}}}",
        "truncatedAlerts": 0,
        "status": alert.state.value,
        "receiver": receiver,
        "groupLabels": labels,
        "commonLabels": labels,
        "commonAnnotations": notes,
        "externalURL": link,
        "alerts": [
            {
                "status": alert.state.value,
                "labels": labels,
                "annotations": notes,
                "startsAt": instant(alert.starts_at),
                "endsAt": _NO_END if alert.firing else instant(alert.ends_at or alert.now),
                "generatorURL": link,
                "fingerprint": fingerprint(labels),
            }
        ],
    }


def _instant_or_none(at: datetime | None) -> str | None:
    return None if at is None else instant(at)
