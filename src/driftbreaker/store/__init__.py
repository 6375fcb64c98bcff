"""Runs the statements on the caller's session: the only floor that executes SQL, and it never ends a transaction."""

from .joined import Joined
from .reading import get_history, get_incidents, get_state, is_open
from .reporting import clear_streak, count_bad, count_schema_errors, drift_opening, schema_opening
from .switching import disable, enable, force_on, hold, reset

__all__ = [
    "Joined",
    "clear_streak",
    "count_bad",
    "count_schema_errors",
    "disable",
    "drift_opening",
    "enable",
    "force_on",
    "get_history",
    "get_incidents",
    "get_state",
    "hold",
    "is_open",
    "reset",
    "schema_opening",
]
