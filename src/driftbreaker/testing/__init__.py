"""What you need to test your own use of driftbreaker."""

from driftbreaker.testing.errors import PostgresFailed, PostgresNotFound
from driftbreaker.testing.postgres import PostgresServer, available_versions, postgres_server

__all__ = ["PostgresFailed", "PostgresNotFound", "PostgresServer", "available_versions", "postgres_server"]
