"""Runs the statements on the caller's session: the only floor that executes SQL, and it never ends a transaction."""

from .joined import Door, Joined
from .late import LateReport, report_late
from .notes import missing_tables
from .reading import get_history, get_incidents, get_state, is_open
from .reporting import report_drift, report_schema_errors
from .switching import disable, enable, force_on, hold, reset
from .transition import recover_quietly

__all__ = [
    "Door",
    "Joined",
    "LateReport",
    "disable",
    "enable",
    "force_on",
    "get_history",
    "get_incidents",
    "get_state",
    "hold",
    "is_open",
    "missing_tables",
    "recover_quietly",
    "report_drift",
    "report_late",
    "report_schema_errors",
    "reset",
]
