"""What people read about an alert, whichever way it goes: the annotations, cut to the room there is."""

from __future__ import annotations

from datetime import UTC, datetime

from ..alerts import Alert
from ..clean import fit_text, to_json

_LARGEST = 1 << 20


def instant(at: datetime) -> str:
    """Return an instant as RFC 3339 in UTC, with milliseconds and ``Z``. Rounded down, so that no end is early."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def notes_of(alert: Alert) -> dict[str, str]:
    """Return what is worth reading about an alert, the most important first."""
    notes = {"summary": alert.summary, "incident_id": alert.incident.id}
    if alert.firing:
        notes["disabled_until"] = "manual enable required" if alert.ends_at is None else instant(alert.ends_at)
    notes["description"] = alert.description
    if alert.runbook_url is not None:
        notes["runbook_url"] = alert.runbook_url
    return notes


def annotations_within(alert: Alert, room: int = _LARGEST) -> dict[str, str]:
    """Return the annotations as at most `room` bytes of JSON: the less important is cut or dropped first."""
    kept: dict[str, str] = {}
    left = room - 2
    for name, text in notes_of(alert).items():
        left -= len(to_json(name)) + 2  # a colon and a comma
        # Half of a URL leads nowhere.
        fitted = fit_text(text, left, whole=name == "runbook_url")
        if not fitted:
            break
        kept[name] = fitted
        left -= len(to_json(fitted).encode())
    return kept
