"""A circuit breaker for new code paths, kept in the database you already have.

It trips on drift, commits with your transaction, and tells your pager. Public names load on first use: importing this
package costs a few milliseconds and pulls in no database library.
"""

from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from sqlalchemy import MetaData

    from .aio import AsyncCircuitBreaker, AsyncRelay, AsyncSwitchboard
    from .alertmanager import Alertmanager
    from .alerts import Alert, Cadence, Channel, Outcome, Result
    from .breaker import CircuitBreaker
    from .clock import Clock
    from .errors import (
        CannotTellError,
        ContendedError,
        DriftbreakerError,
        HalfWrittenError,
        InvalidArgumentError,
        NotANumberError,
        NoTransactionError,
        UnsupportedDatabaseError,
        UnusableScoreError,
        WrongSessionError,
    )
    from .hooks import Event, listen
    from .incident_files import IncidentFiles
    from .model import BreakerState, HistoryEntry, Incident, Severity, Status
    from .refresh import Switchboard
    from .relay import Pass, Relay
    from .reporter import Reporter, ReporterCounts
    from .settings import AlertSettings, BreakerSettings
    from .shadow import Answer, Comparison, ComparisonKind, Shadow, guard
    from .snapshot import Basis, Board, Handle, Outage
    from .tables import Tables
    from .webhook import Webhook

    metadata: MetaData

__all__ = [
    "Alert",
    "AlertSettings",
    "Alertmanager",
    "Answer",
    "AsyncCircuitBreaker",
    "AsyncRelay",
    "AsyncSwitchboard",
    "Basis",
    "Board",
    "BreakerSettings",
    "BreakerState",
    "Cadence",
    "CannotTellError",
    "Channel",
    "CircuitBreaker",
    "Clock",
    "Comparison",
    "ComparisonKind",
    "ContendedError",
    "DriftbreakerError",
    "Event",
    "HalfWrittenError",
    "Handle",
    "HistoryEntry",
    "Incident",
    "IncidentFiles",
    "InvalidArgumentError",
    "NoTransactionError",
    "NotANumberError",
    "Outage",
    "Outcome",
    "Pass",
    "Relay",
    "Reporter",
    "ReporterCounts",
    "Result",
    "Severity",
    "Shadow",
    "Status",
    "Switchboard",
    "Tables",
    "UnsupportedDatabaseError",
    "UnusableScoreError",
    "Webhook",
    "WrongSessionError",
    "__version__",
    "guard",
    "listen",
    "metadata",
]

if not TYPE_CHECKING:
    _HOMES = {
        "Alert": "alerts",
        "AlertSettings": "settings",
        "Alertmanager": "alertmanager",
        "Answer": "shadow",
        "AsyncCircuitBreaker": "aio",
        "AsyncRelay": "aio",
        "AsyncSwitchboard": "aio",
        "Basis": "snapshot",
        "Board": "snapshot",
        "BreakerSettings": "settings",
        "BreakerState": "model",
        "Cadence": "alerts",
        "Channel": "alerts",
        "CircuitBreaker": "breaker",
        "Clock": "clock",
        "Comparison": "shadow",
        "ComparisonKind": "shadow",
        "Event": "hooks",
        "Handle": "snapshot",
        "HistoryEntry": "model",
        "Incident": "model",
        "IncidentFiles": "incident_files",
        "Outage": "snapshot",
        "Outcome": "alerts",
        "Pass": "relay",
        "Relay": "relay",
        "Reporter": "reporter",
        "ReporterCounts": "reporter",
        "Result": "alerts",
        "Severity": "model",
        "Shadow": "shadow",
        "Status": "model",
        "Switchboard": "refresh",
        "Tables": "tables",
        "Webhook": "webhook",
        "guard": "shadow",
        "listen": "hooks",
    }

    def __getattr__(name):
        from importlib import import_module

        if name == "metadata":
            value = import_module(".tables", __name__).default_tables().metadata
        elif name in __all__:
            value = getattr(import_module(f".{_HOMES.get(name, 'errors')}", __name__), name)
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value
        return value

    def __dir__():
        return sorted(__all__)
