"""Options of the commands by which people change something: who, why, until when, and whether they are sure."""

from __future__ import annotations

import getpass
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from typing import Any, TypeVar

import click

from driftbreaker.cli.environment import setting
from driftbreaker.cli.exits import Status, Usage
from driftbreaker.cli.options import ACTOR, given, shared
from driftbreaker.cli.text import encodable, plain, tell

Command = TypeVar("Command", bound=Callable[..., Any])

_UNITS = {"s": 1, "min": 60, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_LENGTH = re.compile(r"(\d+)\s*(s|min|m|h|d|w)")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})")


def reason_option(command: Command) -> Command:
    """Give a command `--reason` and `--by`, without which nothing is changed."""
    why = click.option("-r", "--reason", metavar="TEXT", help="Why; it goes on record. Asked for on a terminal.")
    return why(by_option(command))


def by_option(command: Command) -> Command:
    """Give a command `--by`; `actor` reads it."""
    return shared("by")(command)


def until_options(command: Command) -> Command:
    """Give a command `--until` and `--for`; `end_of` reads them."""
    length = click.option("--for", "length", metavar="LENGTH", help="For how long: 30min, 8h, 2d.")
    moment = click.option(
        "--until",
        metavar="WHEN",
        help="Until when: 09:00 (the next one, in your time zone), 2026-11-24T09:00Z, or 'enabled' for no end.",
    )
    return moment(length(command))


def yes_option(command: Command) -> Command:
    """Give a command `-y`."""
    return shared("yes")(command)


def dry_run_option(command: Command) -> Command:
    """Give a command `-n`."""
    return shared("dry_run")(command)


def tell_dry() -> None:
    """Say that nothing of what was shown has come to be."""
    tell("Nothing was changed: this is what it would be.")


def actor(by: str | None) -> str:
    """Return who acts."""
    who = by or setting(ACTOR)
    if who is not None:
        return who
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        raise Usage(f"who are you? Give --by WHO, or set {ACTOR}") from None


def reason_for(given: str | None, what: str, look: Callable[[], object] | None = None) -> str:
    """Return why, asked for where somebody is there to answer; `look` first raises what needs no reason to be said."""
    if given is not None and given.strip():
        return given
    if given is None and is_attended():
        if look is not None:
            look()
        asked: str = click.prompt(encodable(f"Why {plain(what)}", sys.stderr), err=True)
        if asked.strip():
            return asked
    raise Usage("why? Give --reason TEXT: it goes on record, and into the page")


def confirm(question: str, *, yes: bool) -> None:
    """Ask, unless `-y` answered already. Raises Usage where nobody is there to answer, Exit for a no."""
    if yes:
        return
    if not is_attended():
        raise Usage(f"{question} Nobody is there to answer: give -y")
    if not click.confirm(question, err=True):
        tell("Nothing was changed.")
        raise click.exceptions.Exit(Status.NO)


def is_attended() -> bool:
    """Return whether somebody sits at a terminal and may be asked."""
    return not given("no_input") and sys.stdin.isatty() and sys.stderr.isatty()


def end_of(until: str | None, length: str | None, now: datetime, *, none: str | None) -> datetime | None:
    """Return the end that is meant, reckoned from the database's `now`; None for no end.

    `none`: what it means to give neither; None where an end must be given. Raises Usage.
    """
    if until is not None and length is not None:
        raise Usage("--until and --for are both given: which of them?")
    if length is not None:
        return now + length_of(length)
    if until is None:
        if none is None:
            raise Usage("until when? Give --until or --for: it must end")
        return None
    if until.strip().lower() in ("enabled", "enable"):
        if none is None:
            raise Usage("it must end: give --until WHEN or --for LENGTH")
        return None
    return _moment(until.strip(), now)


def is_length(text: str) -> bool:
    """Return whether a length is meant: numbers with units, and nothing else."""
    return bool(_LENGTH.findall(text)) and not _LENGTH.sub("", text).strip()


def length_of(text: str, option: str = "--for") -> timedelta:
    """Return the length that is meant. Raises Usage, which names the option."""
    parts = _LENGTH.findall(text)
    if not is_length(text):
        raise Usage(f"{option} takes a length as in 30min, 8h, 2d or '1h 30min', got {text!r}")
    try:
        length = timedelta(seconds=sum(int(number) * _UNITS[unit] for number, unit in parts))
    except OverflowError:
        length = timedelta(0)
    if not timedelta(0) < length <= timedelta(days=36_500):
        raise Usage(f"{option} must be above zero and at most 36500d, got {text!r}")
    return length


def _moment(text: str, now: datetime) -> datetime:
    clock = _CLOCK.fullmatch(text)
    if clock is not None and int(clock[1]) < 24 and int(clock[2]) < 60:
        return _next(time(int(clock[1]), int(clock[2])), now)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Usage(f"--until takes 09:00, 2026-11-24T09:00Z or 'enabled', got {text!r}") from None
    # A time without a zone is the time on the wall of whoever typed it.
    return moment.astimezone(UTC)


def _next(wall: time, now: datetime) -> datetime:
    """Return the next moment at which the local clock shows this time."""
    today = now.astimezone().date()
    for day in range(3):
        moment = datetime.combine(today + timedelta(days=day), wall).astimezone()
        if moment > now:
            return moment.astimezone(UTC)
    raise Usage(f"there is no next {wall:%H:%M}")
