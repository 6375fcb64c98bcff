"""What is new since the last look: what people and reports changed, and ends that passed by themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from driftbreaker.cli.breakers import document, screen
from driftbreaker.cli.text import plain
from driftbreaker.model import Change, Status

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from driftbreaker import HistoryEntry
    from driftbreaker.cli.watch.looking import Look
    from driftbreaker.store import Overview

EXPIRED = "its time is over"


@dataclass(frozen=True, kw_only=True)
class News:
    """One change. Without an entry it is an end that has passed by itself, and nobody has put that on record yet."""

    at: datetime
    name: str
    scope: str
    serving: str
    entry: HistoryEntry | None

    def line(self) -> str:
        """Return it for people."""
        return f"{self.at:%Y-%m-%d %H:%M:%S} UTC  {_SHOWN[self.serving]}  {self._called()}  {self._said()}"

    def short(self) -> str:
        """Return it for people who have the breaker itself before their eyes."""
        sign, _, _ = click.unstyle(_SHOWN[self.serving]).partition(" ·")
        return f"{self.at:%H:%M:%S} {sign}  {self._called()}  {self._said()}"

    def _called(self) -> str:
        return click.style(plain(self.name) + (f" ({plain(self.scope)})" if self.scope else ""), bold=True)

    def _said(self) -> str:
        if self.entry is None:
            return EXPIRED
        return f"{self.entry.change.value} by {plain(self.entry.actor)}: {plain(self.entry.reason)}"

    def document(self) -> dict[str, Any]:
        """Return it for programs."""
        shown = None if self.entry is None else document.change(self.entry)
        return {
            "event": "expired" if self.entry is None else "change",
            "at": self.at.isoformat(),
            "name": self.name,
            "scope": self.scope,
            "serving": self.serving,
            "change": shown,
        }


_SHOWN = {"control": screen.off_sign(), "candidate": screen.on_sign(), "forced": screen.forced_sign()}


class Newsroom:
    """Makes news of looks: each change once, an opening's end when it passes and not again when it is written."""

    def __init__(self, first: Look) -> None:
        self._ends = _ends(first.rows)
        self._told: set[str] = set()

    def news(self, look: Look) -> Iterator[News]:
        """Yield what is new in a look."""
        for entry in look.changes:
            if entry.change is Change.RECOVER and entry.incident_id in self._told:
                self._told.discard(str(entry.incident_id))
                continue
            if entry.old_status != entry.new_status:
                self._ends.pop((entry.name, entry.scope), None)
            yield News(at=entry.at, name=entry.name, scope=entry.scope, serving=_serving(entry), entry=entry)
        ends = _ends(look.rows)
        for (name, scope), (incident_id, end) in self._ends.items():
            if (name, scope) not in ends and end <= look.now:
                self._told |= {incident_id} if incident_id else set()
                yield News(at=end, name=name, scope=scope, serving="candidate", entry=None)
        self._ends = ends


def _ends(rows: list[Overview]) -> dict[tuple[str, str], tuple[str | None, datetime]]:
    """Return what ends by itself, openings with their incidents and forces without, and when."""
    found: dict[tuple[str, str], tuple[str | None, datetime]] = {}
    for row in rows:
        state = row.state
        if state.forced_until is not None:
            found[state.name, state.scope] = (None, state.forced_until)
        elif state.open_scope == state.scope and state.recovers_at is not None:
            found[state.name, state.scope] = (state.incident_id, state.recovers_at)
    return found


def _serving(entry: HistoryEntry) -> str:
    if entry.change is Change.FORCE_ON:
        return "forced"
    return "candidate" if entry.new_status is Status.CLOSED else "control"
