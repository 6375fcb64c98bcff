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
    yield f"{_state(each)}  {plain(each.severity)}  since {moment(each.timestamp, now)}  {plain(each.id)}"
    yield f"   {plain(each.reason)}"
    if each.sample_count:
        yield f"   drift score {each.drift_score:g}, samples {each.sample_count}"
    yield f"   {on_it(each)}"
    if each.resolved_at is not None:
        yield f"   {_ended(each, each.resolved_at, now)}"
    for written in notes:
        yield f"   note    {note(written, now)}"


def detailed(
    each: Incident, notes: list[Note], changes: list[HistoryEntry], alerts: list[Entry], now: datetime
) -> Iterator[str]:
    """Yield one incident in full: which breaker, the evidence, what was done about it and written to it, its page."""
    scope = f" ({plain(each.scope)})" if each.scope else ""
    called = click.style(plain(each.name) + scope, bold=True)
    yield f"{_state(each)}  {plain(each.severity)}  {called}  since {moment(each.timestamp, now)}"
    yield f"   why     {plain(each.reason)}"
    yield f"   who     {on_it(each)}"
    if each.resolved_at is not None:
        yield f"   {_ended(each, each.resolved_at, now)}"
    if each.sample_count:
        yield f"   score   {each.drift_score:g}, samples {each.sample_count}"
    if each.details:
        yield f"   details {plain(json.dumps(each.details, ensure_ascii=False))}"
    yield f"   id      {plain(each.id)}"
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


def _state(each: Incident) -> str:
    return click.style("● over", fg="green") if each.resolved else click.style("■ open", fg="red", bold=True)


def _ended(each: Incident, at: datetime, now: datetime) -> str:
    why = plain(each.resolution_notes or "no reason recorded")
    return f"ended by {plain(each.resolved_by or 'somebody')}, {moment(at, now)}: {why}"


def _deliveries(entry: Entry) -> Iterator[str]:
    from driftbreaker.cli.outbox.screen import alert, state

    # Its name and its since are those of the incident.
    _, *others = alert(entry)
    yield f"   page    {state(entry)}  alert {entry.identity[:12]}"
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
