"""Runs the statements on the caller's session: the only floor that executes SQL, and it never ends a transaction."""

from .incidents import acknowledge, add_note, assign, get_notes
from .joined import Door, Joined
from .late import LateReport, report_late
from .listing import Overview, breakers, breakers_named, database_now, names_near
from .locks import limit_lock_waits
from .messages import read_message
from .notes import missing_tables
from .open_set import ABSENT, Reader, Reading, Sighting
from .reading import get_history, get_incidents, get_state, is_open
from .reporting import report_drift, report_schema_errors
from .switching import disable, enable, force_on, hold, reset
from .transition import recover_quietly

__all__ = [
    "ABSENT",
    "Door",
    "Joined",
    "LateReport",
    "Overview",
    "Reader",
    "Reading",
    "Sighting",
    "acknowledge",
    "add_note",
    "assign",
    "breakers",
    "breakers_named",
    "database_now",
    "disable",
    "enable",
    "force_on",
    "get_history",
    "get_incidents",
    "get_notes",
    "get_state",
    "hold",
    "is_open",
    "limit_lock_waits",
    "missing_tables",
    "names_near",
    "read_message",
    "recover_quietly",
    "report_drift",
    "report_late",
    "report_schema_errors",
    "reset",
]
