"""Incidents for programs."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from driftbreaker.model import Incident, Note

COLUMNS = (*(each.name for each in fields(Incident)), "notes")


def incident(each: Incident, notes: list[Note]) -> dict[str, Any]:
    """Return one incident with what was written to it."""
    return {**each.to_dict(), "notes": [note(written) for written in notes]}


def note(each: Note) -> dict[str, Any]:
    """Return one note."""
    return each.to_dict()
