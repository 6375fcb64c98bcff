"""What driftbreaker raises on its own account. Errors of the database pass through as SQLAlchemy raised them."""

from __future__ import annotations

from enum import StrEnum


class DriftbreakerError(Exception):
    """Base class of every error that is driftbreaker's own."""


class InvalidArgumentError(DriftbreakerError, ValueError):
    """An argument or a setting is unusable; nothing was sent to the database and nothing has changed."""


class NotANumberError(InvalidArgumentError, TypeError):
    """An argument that must be a number is no number at all. Catch it as ValueError or as TypeError."""


class Unusable(StrEnum):
    """Why a pair of answers has no score.

    `not_a_number`: an answer is none. `not_finite`: NaN or infinity. `too_large`: more than is looked at.
    `zero_control`: there is no ratio to zero. `undecided`: the comparison answered neither True nor False.
    `too_few`: too few trials for a rate. `not_a_score`: the score function returned no finite number >= 0.
    `failed`: something raised.
    """

    NOT_A_NUMBER = "not_a_number"
    NOT_FINITE = "not_finite"
    TOO_LARGE = "too_large"
    ZERO_CONTROL = "zero_control"
    UNDECIDED = "undecided"
    TOO_FEW = "too_few"
    NOT_A_SCORE = "not_a_score"
    FAILED = "failed"


class UnusableScoreError(DriftbreakerError, ValueError):
    """A pair of answers has no score: that is neither good nor drift. `kind` says why."""

    def __init__(self, message: str, kind: Unusable = Unusable.FAILED) -> None:
        super().__init__(message)
        self.kind = kind


class WrongSessionError(DriftbreakerError, TypeError):
    """The given object is not the kind of session that this door works with."""


class NoTransactionError(DriftbreakerError, RuntimeError):
    """The session runs in AUTOCOMMIT: there is no transaction of the caller's to join, so nothing was written."""


class UnsupportedDatabaseError(DriftbreakerError, RuntimeError):
    """The session talks to a database that driftbreaker has no SQL for: SQLite and PostgreSQL are supported."""


class ContendedError(DriftbreakerError, RuntimeError):
    """The breaker kept changing under this call; nothing was written. Retry the transaction."""


class HalfWrittenError(DriftbreakerError, RuntimeError):
    """A breaker's write failed midway in this transaction, or undid all of it: it must be rolled back."""


class CannotTellError(DriftbreakerError, RuntimeError):
    """Nobody knows whether the breaker is open, and its outage policy says to raise: serve the control, or fail."""
