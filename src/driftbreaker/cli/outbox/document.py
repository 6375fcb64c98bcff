"""Alerts of the outbox as plain data, for machines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

    from driftbreaker import Incident
    from driftbreaker.outbox import Delivery, Entry


def alert(entry: Entry) -> dict[str, Any]:
    """Return one alert and how each channel does; times are ISO 8601 in UTC."""
    return {
        "identity": entry.identity,
        "breaker": entry.name,
        "scope": entry.scope,
        "state": entry.state.value,
        "lapsed": entry.lapsed,
        "since": _instant(entry.starts_at),
        "ends_at": _instant(entry.ends_at),
        "changed_at": _instant(entry.changed_at),
        "now": _instant(entry.now),
        "incident_id": entry.incident_id,
        "labels": entry.labels,
        "deliveries": [_delivery(each) for each in entry.deliveries],
    }


def detailed(entry: Entry, incident: Incident | None) -> dict[str, Any]:
    """Return one alert with its incident and what was refused."""
    bodies = {each.channel: each.parked_body for each in entry.deliveries}
    document = alert(entry)
    for delivery in document["deliveries"]:
        delivery["parked_body"] = bodies[delivery["channel"]]
    return {**document, "incident": None if incident is None else incident.to_dict()}


def _delivery(delivery: Delivery) -> dict[str, Any]:
    return {
        "channel": delivery.channel,
        "waits": delivery.waits,
        "state_sent": None if delivery.state_sent is None else delivery.state_sent.value,
        "last_sent_at": _instant(delivery.last_sent_at),
        "next_at": _instant(delivery.next_at),
        "attempts": delivery.attempts,
        "error": delivery.error,
        "parked_at": _instant(delivery.parked_at),
        "leased_until": _instant(delivery.leased_until),
    }


def _instant(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
