"""What to type next, by what a breaker says now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from driftbreaker.cli.breakers.screen import typed
from driftbreaker.cli.people import end_of
from driftbreaker.cli.width import tell_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from driftbreaker.store import Overview

MORNING = "09:00"


def suggest(row: Overview) -> None:
    """Tell the commands that are likely to come next."""
    tell_lines(*next_steps(row))


def next_steps(row: Overview) -> Iterator[str]:
    """Yield a line for each step, which ends with its command; about the whole, where that keeps a scope off."""
    name = typed(row.state)
    if row.state.is_open:
        yield from _off(row, name)
    else:
        ends = row.state.forced_until is not None
        yield f"End that: driftbreaker reset {name}" if ends else f"What happened to it: driftbreaker history {name}"
        yield f"Turn V2 off: driftbreaker disable {name}"


def _off(row: Overview, name: str) -> Iterator[str]:
    if row.incident is not None and row.incident.acknowledged_by is None:
        yield f"Take it: driftbreaker incident ack {name}"
    end, morning = row.state.recovers_at, end_of(MORNING, None, row.now, none=None)
    # A person who holds it has thought of its end; and no hold is offered that would end it sooner.
    if end is not None and morning is not None and row.state.held_by is None:
        if end < morning:
            yield f"Keep V2 off until the morning: driftbreaker hold {name} --until {MORNING}"
        else:
            yield f"Keep V2 off for longer: driftbreaker hold {name} --until enabled"
    yield f"Turn V2 on: driftbreaker enable {name}"
