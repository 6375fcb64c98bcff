"""Breakers for people: what traffic does first, then why, until when, and who is on it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from driftbreaker.cli.incident.screen import on_it
from driftbreaker.cli.text import instant, moment, plain

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from driftbreaker import HistoryEntry, Incident
    from driftbreaker.store import Overview


def traffic(row: Overview) -> str:
    """Return what traffic does, as shape, word and colour."""
    if row.state.is_open:
        return off_sign(" (the whole is)" if row.state.open_scope != row.state.scope else "")
    return on_sign() if row.state.forced_until is None else forced_sign()


def off_sign(why: str = "") -> str:
    """Say that traffic gets V1."""
    return click.style(f"■ V2 OFF · serving V1{why}", fg="red", bold=True)


def on_sign() -> str:
    """Say that traffic gets V2."""
    return click.style("● V2 ON", fg="green", bold=True)


def forced_sign() -> str:
    """Say that traffic gets V2, whatever is reported."""
    return click.style("▲ V2 FORCED ON", fg="yellow", bold=True)


def name_of(row: Overview) -> str:
    """Return name and scope."""
    scope = f" ({plain(row.state.scope)})" if row.state.scope else ""
    return click.style(plain(row.state.name) + scope, bold=True)


def listed(row: Overview) -> Iterator[str]:
    """Yield one breaker in short: a line, and for one that is off why, until when and who."""
    yield f"{traffic(row)}  {name_of(row)}{_since(row)}"
    if row.state.is_open:
        yield f"   {plain(row.state.reason or '')}"
        yield f"   Until {until(row)}. {_taken(row)}"
        return
    if row.state.forced_until is not None:
        yield f"   {_forced(row.state.forced_until, row)}"
    if row.state.consecutive_failures:
        yield f"   {_streak(row)}"


def detailed(row: Overview) -> Iterator[str]:
    """Yield one breaker with all that is known of it."""
    yield f"{traffic(row)}  {name_of(row)}{_since(row)}"
    if row.state.is_open:
        yield f"   why     {plain(row.state.reason or '')}"
        yield f"   until   {until(row)}"
        yield f"   who     {plain(row.state.disabled_by or 'nobody')} turned it off. {_taken(row)}"
        if row.incident is not None:
            yield from _evidence(row.incident)
    else:
        yield f"   streak  {_streak(row)}"
        if row.state.forced_until is not None:
            yield f"   forced  {_forced(row.state.forced_until, row)}"
    yield from _counts(row)


def until(row: Overview) -> str:
    """Say until when a breaker is off, and by whose hand."""
    state = row.state
    if state.held_by is not None:
        end = "somebody enables it" if state.held_until is None else moment(state.held_until, row.now)
        return f"{end}, held by {plain(state.held_by)}: {plain(state.held_reason or '')}"
    if state.disabled_until is None:
        return "somebody enables it"
    return f"{moment(state.disabled_until, row.now)}, then V2 comes back by itself"


def change(entry: HistoryEntry) -> Iterator[str]:
    """Yield one entry of the history."""
    scope = f" ({plain(entry.scope)})" if entry.scope else ""
    yield (
        f"{instant(entry.at)}  {click.style(entry.change.value, bold=True)}  {plain(entry.name)}{scope}"
        f"  by {plain(entry.actor)} ({entry.source}, {plain(entry.door)})"
    )
    yield f"   {plain(entry.reason)}"


def _since(row: Overview) -> str:
    return "" if row.state.opened_at is None else f"  since {moment(row.state.opened_at, row.now)}"


def _forced(end: datetime, row: Overview) -> str:
    return f"Until {moment(end, row.now)}: reports count and never trip"


def _taken(row: Overview) -> str:
    return "" if row.incident is None else on_it(row.incident)


def _evidence(incident: Incident) -> Iterator[str]:
    yield f"   page    {plain(incident.severity)}, incident {plain(incident.id)}"
    if incident.sample_count:
        yield f"   score   {incident.drift_score:g}, samples {incident.sample_count}"
    if incident.details:
        yield f"   details {plain(json.dumps(incident.details, ensure_ascii=False))}"


def _streak(row: Overview) -> str:
    threshold = (row.settings or {}).get("failure_threshold")
    of = "" if threshold is None else f" of {threshold}"
    streak = f"{row.state.consecutive_failures}{of} bad scores in a row"
    if row.state.schema_errors:
        streak += f", {row.state.schema_errors} schema errors within the hour"
    return streak


def _counts(row: Overview) -> Iterator[str]:
    last = row.state.last_failure_at
    times = "once" if row.state.trip_count == 1 else f"{row.state.trip_count} times"
    tripped = f"Tripped {times} so far." if row.state.trip_count else "Never tripped."
    yield f"   record  {tripped}" + ("" if last is None else f" Last bad score {moment(last, row.now)}.")
