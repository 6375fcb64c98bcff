"""What you need to test your own use of driftbreaker. A PostgreSQL is had without loading any database library."""

from typing import TYPE_CHECKING

from .clock import ManualClock
from .errors import PostgresFailed, PostgresNotFound
from .postgres import PostgresServer, available_versions, postgres_server

if TYPE_CHECKING:
    from .board import AsyncMemorySwitchboard, MemorySwitchboard
    from .overriding import override
    from .reports import MemoryReport, MemoryReporter

__all__ = [
    "AsyncMemorySwitchboard",
    "ManualClock",
    "MemoryReport",
    "MemoryReporter",
    "MemorySwitchboard",
    "PostgresFailed",
    "PostgresNotFound",
    "PostgresServer",
    "available_versions",
    "override",
    "postgres_server",
]

if not TYPE_CHECKING:
    _HOMES = {
        "AsyncMemorySwitchboard": "board",
        "MemoryReport": "reports",
        "MemoryReporter": "reports",
        "MemorySwitchboard": "board",
        "override": "overriding",
    }

    def __getattr__(name):
        from importlib import import_module

        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
        return value

    def __dir__():
        return sorted(__all__)
