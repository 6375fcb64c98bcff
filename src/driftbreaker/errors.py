"""What driftbreaker raises on its own account. Errors of the database pass through as SQLAlchemy raised them."""


class DriftbreakerError(Exception):
    """Base class of every error that is driftbreaker's own."""


class InvalidArgumentError(DriftbreakerError, ValueError):
    """An argument or a setting is unusable; nothing was sent to the database and nothing has changed."""


class NotANumberError(InvalidArgumentError, TypeError):
    """An argument that must be a number is no number at all. Catch it as ValueError or as TypeError."""


class WrongSessionError(DriftbreakerError, TypeError):
    """The given object is not the kind of session that this door works with."""


class NoTransactionError(DriftbreakerError, RuntimeError):
    """The session runs in AUTOCOMMIT: there is no transaction of the caller's to join, so nothing was written."""


class UnsupportedDatabaseError(DriftbreakerError, RuntimeError):
    """The session talks to a database that driftbreaker has no SQL for: SQLite and PostgreSQL are supported."""


class ContendedError(DriftbreakerError, RuntimeError):
    """The breaker kept changing under this call; nothing was written. Retry the transaction."""


class HalfWrittenError(DriftbreakerError, RuntimeError):
    """A breaker's write failed midway in this transaction, which must be rolled back."""


class CannotTellError(DriftbreakerError, RuntimeError):
    """Nobody knows whether the breaker is open, and its outage policy says to raise: serve the control, or fail."""
