"""Somebody else was first: what a change would undo that its author never saw, or that another person wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from driftbreaker.cli.breakers import screen
from driftbreaker.cli.exits import Conflict
from driftbreaker.cli.text import plain, short
from driftbreaker.model import TRIPPED_BY, Change

if TYPE_CHECKING:
    from collections.abc import Iterator

    from driftbreaker import CircuitBreaker
    from driftbreaker.store import Overview

# What is written to an incident is in nobody's way, and a recovery leaves what was wanted.
_DECISIONS = frozenset(Change) - {Change.RECOVER, Change.NOTE, Change.ACKNOWLEDGE, Change.ASSIGN, Change.SETTINGS}


def refuse_unseen(seen: Overview, before: Overview, breaker: CircuitBreaker) -> None:
    """Raise Conflict when the locked breaker is not the one that was looked at: somebody has decided since."""
    if before.state.version == seen.state.version:
        return
    since = (entry for entry in breaker.get_history() if entry.version > seen.state.version)
    first = next((entry for entry in since if entry.change in _DECISIONS), None)
    if first is not None:
        raise Conflict(
            f"{first.actor} was first ({first.change.value}): {short(first.reason)}. "
            f"Nothing was changed: look again with driftbreaker show {screen.typed(seen.state)}"
        )


def refuse_sooner(before: Overview, after: Overview) -> None:
    """Raise Conflict when V2 would come back sooner than another person wanted."""
    owner = _owner(before)
    if owner in (None, _owner(after)) or not _is_sooner(before, after):
        return
    did = "holds it" if before.state.held_by is not None else "turned it off"
    raise Conflict(f"{owner} {did} until {_wanted(before)}. Yours would end sooner: -y takes its place")


def consequences(before: Overview, after: Overview) -> Iterator[str]:
    """Say what a change came to that the breaker as it is now does not show."""
    owner, held = _owner(before), before.state.held_by is not None
    gone = before.state.held_by != after.state.held_by if held else before.state.incident_id != after.state.incident_id
    replaced = after.state.is_open or after.state.forced_until is not None
    if owner not in (None, _owner(after)) and gone and replaced:
        yield f"In place of {plain(str(owner))}'s {'hold' if held else 'stop'} until {_wanted(before)}"
    elif _is_sooner(before, after):
        yield f"Sooner than before: it was off until {screen.end(before)}."
    if after.state.disabled_until is not None and after.state.recovers_at is None:
        yield "That end ends nothing: V2 is off until somebody enables it, by its settings (auto_recover=False)."


def _owner(row: Overview) -> str | None:
    """Return the person who decided how long it is off; None for a trip, and for a scope that its whole keeps off."""
    if not _is_off(row):
        return None
    by_hand = None if row.state.disabled_by == TRIPPED_BY else row.state.disabled_by
    return row.state.held_by or by_hand


def _wanted(row: Overview) -> str:
    state = row.state
    why = state.reason if state.held_by is None else state.held_reason
    return f"{screen.end(row)}: {short(why or '')}"


def _is_sooner(before: Overview, after: Overview) -> bool:
    """Return whether an opening's end has moved towards now; no end lies after every end."""
    old, new = before.state.recovers_at, after.state.recovers_at
    return _is_off(before) and _is_off(after) and new is not None and (old is None or new < old)


def _is_off(row: Overview) -> bool:
    return row.state.is_open and row.state.open_scope == row.state.scope
