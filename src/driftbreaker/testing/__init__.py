"""What you need to test your own use of driftbreaker."""

from .board import AsyncMemorySwitchboard, MemorySwitchboard
from .clock import ManualClock
from .errors import PostgresFailed, PostgresNotFound
from .overriding import override
from .postgres import PostgresServer, available_versions, postgres_server

__all__ = [
    "AsyncMemorySwitchboard",
    "ManualClock",
    "MemorySwitchboard",
    "PostgresFailed",
    "PostgresNotFound",
    "PostgresServer",
    "available_versions",
    "override",
    "postgres_server",
]
