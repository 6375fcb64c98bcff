"""What you need to test your own use of driftbreaker."""

from .clock import ManualClock
from .errors import PostgresFailed, PostgresNotFound
from .postgres import PostgresServer, available_versions, postgres_server

__all__ = [
    "ManualClock",
    "PostgresFailed",
    "PostgresNotFound",
    "PostgresServer",
    "available_versions",
    "postgres_server",
]
