"""Incidents for programs."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from driftbreaker.model import HistoryEntry, Incident, Note

if TYPE_CHECKING:
    from driftbreaker.outbox import Entry

COLUMNS = (*(each.name for each in fields(Incident)), "notes")


def incident(each: Incident, notes: list[Note]) -> dict[str, Any]:
    """Return one incident with what was written to it."""
    return {**each.to_dict(), "notes": [note(written) for written in notes]}


def note(each: Note) -> dict[str, Any]:
    """Return one note."""
    return each.to_dict()


def detailed(each: Incident, notes: list[Note], changes: list[HistoryEntry], alerts: list[Entry]) -> dict[str, Any]:
    """Return one incident with all that is on record of it, and the alerts that tell of it."""
    from driftbreaker.cli.outbox.document import alert

    return {
        **incident(each, notes),
        "history": [change.to_dict() for change in changes],
        "alerts": [alert(entry) for entry in alerts],
    }
