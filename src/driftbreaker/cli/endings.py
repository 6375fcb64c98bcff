"""How a command ends that cannot go on: one sentence and a status, whatever became of its terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO

import click

from driftbreaker.cli.exits import Status
from driftbreaker.cli.text import STDOUT, abandon, plain, tell


@contextmanager
def in_one_sentence() -> Iterator[None]:
    """Exit with a status instead of what a command raises, and say why."""
    try:
        yield
    except (KeyboardInterrupt, click.Abort):
        tell("Interrupted.")
        raise click.exceptions.Exit(Status.INTERRUPTED) from None
    except click.ClickException as error:
        _show(error)
        raise click.exceptions.Exit(error.exit_code) from None
    except OSError as error:
        # Who closes a pipe has read enough, and wants no complaint.
        if not isinstance(error, BrokenPipeError):
            tell(f"Error: {_told(error)}")
        abandon(sys.stdout)
        raise click.exceptions.Exit(Status.CANNOT_TELL) from None


def _show(error: click.ClickException) -> None:
    # click repeats what was typed, which may have been pasted.
    said = StringIO()
    error.show(said)
    tell("\n".join(map(plain, said.getvalue().rstrip("\n").split("\n"))))


def _told(error: OSError) -> str:
    why = plain(error.strerror or str(error) or type(error).__name__)
    if error.filename == STDOUT:
        return f"{STDOUT} cannot be written: {why}. What the command was to change is changed."
    return f"cannot go on: {why}."
