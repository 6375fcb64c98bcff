"""Alerts of the outbox for people: state is shape, word and colour."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from driftbreaker.cli.text import moment, plain
from driftbreaker.model import AlertState

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from driftbreaker import Incident
    from driftbreaker.outbox import Delivery, Entry


def alert(entry: Entry) -> Iterator[str]:
    """Yield one alert and how each channel does."""
    scope = f" ({plain(entry.scope)})" if entry.scope else ""
    since = f"since {moment(entry.starts_at, entry.now)}"
    yield f"{state(entry)}  {click.style(plain(entry.name) + scope, bold=True)}  {since}  {entry.identity[:12]}"
    for delivery in entry.deliveries:
        yield f"   {plain(delivery.channel)}: {_delivery(delivery, entry)}"
    if not entry.deliveries:
        yield "   no relay has taken it yet"


def detailed(entry: Entry, incident: Incident | None) -> Iterator[str]:
    """Yield one alert with its labels, its incident and what was refused."""
    yield from alert(entry)
    yield f"   identity: {entry.identity}"
    if entry.ends_at is not None:
        yield f"   ends: {moment(entry.ends_at, entry.now)}"
    yield "   labels:"
    for name, value in sorted(entry.labels.items()):
        yield f"     {plain(name)}={plain(value)}"
    yield from _incident(entry, incident)
    for delivery in entry.deliveries:
        if delivery.parked_body:
            yield f"   refused by {plain(delivery.channel)}:"
            yield f"     {plain(delivery.parked_body)}"


def _incident(entry: Entry, incident: Incident | None) -> Iterator[str]:
    if incident is None:
        yield f"   incident {plain(entry.incident_id)} is not on record"
        return
    yield f"   incident {plain(incident.id)} ({plain(incident.severity)}, {incident.status.value}):"
    yield f"     {plain(incident.reason)}"
    yield f"     drift score {incident.drift_score:g}, samples {incident.sample_count}"
    if incident.details:
        yield f"     details: {plain(json.dumps(incident.details, ensure_ascii=False))}"
    if incident.resolved_at is not None:
        who, why = incident.resolved_by or "somebody", incident.resolution_notes or "no reason recorded"
        yield f"     ended by {plain(who)}, {moment(incident.resolved_at, entry.now)}: {plain(why)}"


def state(entry: Entry) -> str:
    """Return what an alert says now, as shape, word and colour."""
    if entry.lapsed:
        return click.style("◌ LAPSED  ", fg="yellow", bold=True)
    if entry.state is AlertState.FIRING:
        return click.style("■ FIRING  ", fg="red", bold=True)
    return click.style("● RESOLVED", fg="green", bold=True)


def _delivery(delivery: Delivery, entry: Entry) -> str:
    parts = []
    if delivery.parked_at is not None:
        parts.append(click.style("parked", fg="red") + f" {moment(delivery.parked_at, entry.now)}")
    elif delivery.failing:
        tries = "1 try" if delivery.attempts == 1 else f"{delivery.attempts} tries"
        parts.append(click.style("failing", fg="yellow") + f", {tries}")
    if delivery.last_sent_at is not None and delivery.state_sent is not None:
        parts.append(f"{delivery.state_sent.value} sent {moment(delivery.last_sent_at, entry.now)}")
    elif delivery.attempts == 0:
        parts.append("nothing sent")
    parts.append(_next(delivery, entry.now))
    told = ", ".join(part for part in parts if part)
    return f"{told}: {plain(delivery.error)}" if delivery.error else told


def _next(delivery: Delivery, now: datetime) -> str:
    if delivery.leased_until is not None:
        return "a relay is at it"
    if delivery.waits:
        return "waits for a relay"
    if delivery.next_at is None:
        return ""
    return "due now" if delivery.next_at <= now else f"next {moment(delivery.next_at, now)}"
