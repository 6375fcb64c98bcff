"""What you need to test your own use of driftbreaker."""

from .clock import ManualClock
from .postgres import (
    PostgresFailed,
    PostgresNotFound,
    PostgresServer,
    available_versions,
    postgres_server,
)

__all__ = [
    "ManualClock",
    "PostgresFailed",
    "PostgresNotFound",
    "PostgresServer",
    "available_versions",
    "postgres_server",
]
