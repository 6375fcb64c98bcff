"""Incidents for people."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from driftbreaker.cli.text import moment, plain
from driftbreaker.model import Change

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from driftbreaker.model import HistoryEntry, Incident, Note
    from driftbreaker.outbox import Entry


def incident(each: Incident, notes: list[Note], now: datetime) -> Iterator[str]:
    """Yield one incident: what it was, who is on it or ended it, and what was written to it."""
    state = click.style("● over", fg="green") if each.resolved else click.style("■ open", fg="red", bold=True)
    yield f"{state}  {plain(each.severity)}  since {moment(each.timestamp, now)}  {plain(each.id)}"
    yield f"   {plain(each.reason)}"
    if each.sample_count:
        yield f"   drift score {each.drift_score:g}, samples {each.sample_count}"
    yield f"   {on_it(each)}"
    if each.resolved_at is not None:
        why = plain(each.resolution_notes or "no reason recorded")
        yield f"   ended by {plain(each.resolved_by or 'somebody')}, {moment(each.resolved_at, now)}: {why}"
    for written in notes:
        yield f"   note    {note(written, now)}"


def detailed(
    each: Incident, notes: list[Note], changes: list[HistoryEntry], alerts: list[Entry], now: datetime
) -> Iterator[str]:
    """Yield one incident in full: which breaker, the evidence, what was done about it and written to it, its page."""
    scope = f" ({plain(each.scope)})" if each.scope else ""
    yield click.style(plain(each.name) + scope, bold=True)
    yield from incident(each, [], now)
    if each.details:
        yield f"   details {plain(json.dumps(each.details, ensure_ascii=False))}"
    if each.superseded_by is not None:
        yield f"   next    incident {plain(each.superseded_by)} took its place"
    # A note is an entry of the history as well: it is shown as what it says.
    for entry in changes:
        if entry.change is not Change.NOTE:
            what = f"{entry.change.value} by {plain(entry.actor)}"
            yield f"   did     {moment(entry.at, now)}  {what}: {plain(entry.reason)}"
    for written in notes:
        yield f"   note    {note(written, now)}"
    for entry_ in alerts:
        yield from _deliveries(entry_)


def _deliveries(entry: Entry) -> Iterator[str]:
    from driftbreaker.cli.outbox.screen import alert

    first, *others = alert(entry)
    yield f"   page    {first}"
    yield from (f"        {line}" for line in others)


def on_it(each: Incident) -> str:
    """Say who is on an incident, or was."""
    if each.acknowledged_by is None:
        taken = "Nobody took it." if each.resolved else "Nobody is on it yet."
    else:
        taken = f"{plain(each.acknowledged_by)} {'was' if each.resolved else 'is'} on it."
    return taken if each.assigned_to is None else f"{taken} Assigned to {plain(each.assigned_to)}."


def note(each: Note, now: datetime) -> str:
    """Return one note."""
    return f"{moment(each.at, now)}  {plain(each.actor)}: {plain(each.body)}"
