"""Runs the statements on the caller's connection: the only floor that executes SQL, and it never ends a transaction.

What joins a session's transaction is in `joined` and `late`, and SQLAlchemy's ORM with it: who only looks needs none.
"""

from .audit import Wanted, history
from .incidents import acknowledge, add_note, assign, get_notes
from .listing import (
    Overview,
    breakers,
    breakers_named,
    database_now,
    history_about,
    incident_with,
    names_near,
    names_that_begin,
    overview,
)
from .locks import limit_lock_waits, limit_waits
from .look import Look
from .messages import read_message
from .notes import missing_tables
from .open_set import ABSENT, Reader, Reading, Sighting
from .reading import get_history, get_incidents, get_state, is_open
from .reporting import report_drift, report_schema_errors
from .still import lock_overview
from .switching import disable, enable, force_on, hold, reset
from .trail import Trail
from .transition import recover_quietly

__all__ = [
    "ABSENT",
    "Look",
    "Overview",
    "Reader",
    "Reading",
    "Sighting",
    "Trail",
    "Wanted",
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
    "history",
    "history_about",
    "hold",
    "incident_with",
    "is_open",
    "limit_lock_waits",
    "limit_waits",
    "lock_overview",
    "missing_tables",
    "names_near",
    "names_that_begin",
    "overview",
    "read_message",
    "recover_quietly",
    "report_drift",
    "report_schema_errors",
    "reset",
]
