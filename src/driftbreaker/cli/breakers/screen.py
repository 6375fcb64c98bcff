"""Breakers for people: what traffic does first, then why, until when, and who is on it."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

import click

from driftbreaker.cli.incident.screen import on_it
from driftbreaker.cli.text import instant, moment, plain, short

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from driftbreaker import BreakerState, HistoryEntry, Incident
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


def typed(state: BreakerState) -> str:
    """Return name and scope as a command line takes them; of a scope that its whole keeps off, those of the whole."""
    scope = state.open_scope if state.is_open else state.scope
    return plain(shlex.quote(state.name) + (f" --scope {shlex.quote(scope)}" if scope else ""))


def listed(row: Overview) -> Iterator[str]:
    """Yield one breaker in short: a line, and for one that is off why, until when and who."""
    yield f"{traffic(row)}  {name_of(row)}{_since(row)}"
    if row.state.is_open:
        held = "" if row.state.held_by is None else f" Held by {_held(row, short)}."
        yield f"   {short(row.state.reason or '')}"
        yield f"   Until {until(row)}.{held} {_taken(row)}".rstrip()
        return
    if row.state.forced_until is not None:
        yield f"   Until {_forced(row.state.forced_until, row, short)}"
    if row.state.consecutive_failures:
        yield f"   {_streak(row)}"


def detailed(row: Overview) -> Iterator[str]:
    """Yield one breaker with all that is known of it."""
    yield f"{traffic(row)}  {name_of(row)}{_since(row)}"
    if row.state.is_open:
        yield f"   why     {plain(row.state.reason or '')}"
        yield f"   until   {until(row)}"
        if row.state.held_by is not None:
            yield f"   held    by {_held(row, plain)}"
        yield f"   who     {plain(row.state.disabled_by or 'nobody')} turned it off. {_taken(row)}"
        if row.incident is not None:
            yield from _evidence(row.incident)
    else:
        yield f"   streak  {_streak(row)}"
        if row.state.forced_until is not None:
            yield f"   forced  until {_forced(row.state.forced_until, row, plain)}"
    yield from _counts(row)


def until(row: Overview) -> str:
    """Say until when a breaker is off, and whether V2 is back then."""
    return end(row) + ("" if row.state.recovers_at is None else ", then V2 comes back by itself")


def end(row: Overview) -> str:
    """Say what a breaker's opening ends with: a moment, or somebody."""
    ends_at = row.state.recovers_at
    return "somebody enables it" if ends_at is None else moment(ends_at, row.now)


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


def _held(row: Overview, shown: Callable[[str], str]) -> str:
    return f"{plain(row.state.held_by or '')}: {shown(row.state.held_reason or '')}"


def _forced(ends_at: datetime, row: Overview, shown: Callable[[str], str]) -> str:
    by = f"{plain(row.state.forced_by or 'somebody')}: {shown(row.state.forced_reason or '')}"
    return f"{moment(ends_at, row.now)}, by {by}. Reports count and never trip."


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
    count = row.state.consecutive_failures
    scores = _number(count, "bad score") if threshold is None else f"{count} of {threshold} bad scores"
    streak = f"{scores} in a row"
    if row.state.schema_errors:
        streak += f", {_number(row.state.schema_errors, 'schema error')} within the hour"
    return streak


def _number(count: int, what: str) -> str:
    return f"1 {what}" if count == 1 else f"{count} {what}s"


def _counts(row: Overview) -> Iterator[str]:
    last = row.state.last_failure_at
    times = "once" if row.state.trip_count == 1 else f"{row.state.trip_count} times"
    tripped = f"Tripped {times} so far." if row.state.trip_count else "Never tripped."
    yield f"   record  {tripped}" + ("" if last is None else f" Last bad score {moment(last, row.now)}.")
