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
    INTERRUPTED = 130


class Failure(click.ClickException):
    """Ends the command with a status and one sentence that says what to do."""

    def __init__(self, message: str, status: Status = Status.NO) -> None:
        super().__init__(plain(message))
        self.exit_code = int(status)


class Usage(click.UsageError):
    """The command was asked for what it cannot do; what it says may quote what others wrote."""

    def __init__(self, message: str) -> None:
        super().__init__(plain(message))
