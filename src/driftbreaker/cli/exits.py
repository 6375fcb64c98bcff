"""How the command line ends: the statuses that scripts rely on, and failures told in one sentence."""

from __future__ import annotations

from enum import IntEnum

import click

from driftbreaker.cli.text import plain


class Status(IntEnum):
    """The exit statuses, the same for every command."""

    OK = 0
    NO = 1  # it was tried and failed, or the answer is no
    CANNOT_TELL = 2  # wrong usage, or nobody there to ask
    NOT_FOUND = 3
    NOT_ALLOWED = 4
    CONFLICT = 5  # somebody was first
    TIMEOUT = 124  # as of timeout(1)
    INTERRUPTED = 130


class Failure(click.ClickException):
    """Ends the command with one sentence that says what to do; each kind has a status of its own."""

    exit_code = Status.NO

    def __init__(self, message: str) -> None:
        super().__init__(plain(message))


class CannotTell(Failure):
    """There is nobody to ask, or no way to ask."""

    exit_code = Status.CANNOT_TELL


class NotFound(Failure):
    """What was asked for is not there."""

    exit_code = Status.NOT_FOUND


class NotAllowed(Failure):
    """Somebody else may do this."""

    exit_code = Status.NOT_ALLOWED


class Conflict(Failure):
    """Somebody was first."""

    exit_code = Status.CONFLICT


class TimedOut(Failure):
    """What was waited for did not come in time."""

    exit_code = Status.TIMEOUT


class Usage(click.UsageError):
    """The command was asked for what it cannot do; what it says may quote what others wrote."""

    def __init__(self, message: str) -> None:
        super().__init__(plain(message))
