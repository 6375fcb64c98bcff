"""What you need to test your own use of driftbreaker."""

from driftbreaker.testing.postgres import (
    PostgresFailed,
    PostgresNotFound,
    PostgresServer,
    available_versions,
    postgres_server,
)

__all__ = ["PostgresFailed", "PostgresNotFound", "PostgresServer", "available_versions", "postgres_server"]
