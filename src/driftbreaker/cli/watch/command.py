"""The command `driftbreaker watch`. What it needs is imported when it runs."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from driftbreaker.cli.completion import optional_name_argument
from driftbreaker.cli.database import open_database, url_option
from driftbreaker.cli.exits import Failure, TimedOut, Usage
from driftbreaker.cli.interrupts import Interrupts
from driftbreaker.cli.options import shared
from driftbreaker.cli.seconds import Seconds
from driftbreaker.cli.text import plain, tell
from driftbreaker.cli.width import can_draw

if TYPE_CHECKING:
    from driftbreaker.cli.engine import Database
    from driftbreaker.cli.watch.lines import Lines
    from driftbreaker.cli.watch.live import Live
    from driftbreaker.cli.watch.looking import Eyes, Look

# So long a look may take: what is on the screen would be old by then.
PATIENCE = 5.0


@click.command()
@optional_name_argument
@url_option
@click.option("--scope", metavar="SCOPE", help="Only this scope, and the whole; '' is the whole alone.")
@click.option("--until", type=click.Choice(["on", "off"]), help="End with 0 as soon as V2 is so; wants a NAME.")
@click.option(
    "--interval", type=Seconds(0.1, 3600), default=2.0, show_default=True, metavar="S", help="Look every S seconds."
)
@click.option("--timeout", type=Seconds(min=0), metavar="S", help="End with 124 after so many seconds.")
@click.option("--new", "is_new", is_flag=True, help="Nothing is on record of this name yet, and it is spelt right.")
@shared("output", type=click.Choice(["table", "jsonl"]))
@shared("as_json", help="The same as -o jsonl: a document per line, what is, then every change.")
def watch(
    name: str | None,
    url: str | None,
    scope: str | None,
    until: str | None,
    interval: float,
    timeout: float | None,
    is_new: bool,
    output: str | None,
    as_json: bool,
) -> None:
    """Watch one breaker or all of them, as they change.

    On a terminal the picture is kept up to date in place; a pipe gets one line per change, also of what was turned
    off and on again between two looks. A database that goes away is waited for. With --until off, having been off
    between two looks counts; with --until on, V2 must be on.
    """
    if until is not None and name is None:
        raise Usage(f"--until {until} of which breaker? Give its NAME")
    deadline = None if timeout is None else time.monotonic() + timeout
    patience = PATIENCE if timeout is None else max(min(PATIENCE, timeout), 0.001)
    with Interrupts() as interrupts, open_database(url, patience) as database:
        pace = _Pace(interval, deadline, interrupts)
        eyes = _eyes(database, name, scope)
        if not is_new:
            eyes.must_be_there()
        shown = _shown(named=name is not None, as_json=as_json or output == "jsonl")
        try:
            _run(eyes, shown, pace, until)
        except _OverError:
            raise TimedOut(_too_late(name, until, timeout)) from None
        finally:
            shown.end()
    if until is not None:
        tell(f"V2 is {until}: {plain(str(name))}.")


class _OverError(Exception):
    """The time of --timeout has passed."""


@dataclass(frozen=True)
class _Pace:
    interval: float
    deadline: float | None
    interrupts: Interrupts

    def rest(self, shown: Lines | Live) -> None:
        """Let an interval pass, with the picture kept moving. Raises _OverError at the deadline."""
        end = time.monotonic() + self.interval
        while (left := self._left(end)) > 0:
            time.sleep(left if shown.tick is None else min(left, shown.tick))
            self.interrupts.raise_again()
            shown.again()
        self.interrupts.raise_again()
        if self.deadline is not None and time.monotonic() >= self.deadline:
            raise _OverError

    def _left(self, end: float) -> float:
        return (end if self.deadline is None else min(end, self.deadline)) - time.monotonic()


def _eyes(database: Database, name: str | None, scope: str | None) -> Eyes:
    from driftbreaker.cli.watch.looking import Eyes, Subject

    return Eyes(database, Subject(name=name, scope=scope))


def _shown(*, named: bool, as_json: bool) -> Lines | Live:
    if as_json or not can_draw(sys.stdout):
        from driftbreaker.cli.watch.lines import Lines

        return Lines(as_json=as_json, named=named)
    from driftbreaker.cli.watch.live import Live

    return Live(named=named, colour=click.get_current_context().color is not False)


def _run(eyes: Eyes, shown: Lines | Live, pace: _Pace, until: str | None) -> None:
    # What keeps the first look from working is no outage but a wrong database: it ends the command.
    look: Look | None = eyes.look()
    is_lost = False
    while True:
        if look is not None:
            shown.show(look)
            if _reached(look, until):
                return
        pace.rest(shown)
        try:
            look = eyes.look()
        except Failure as error:
            if not is_lost:
                shown.lost(error.message)
            look, is_lost = None, True
        else:
            if is_lost:
                shown.back()
            is_lost = False


def _reached(look: Look, until: str | None) -> bool:
    if until == "off":
        return look.is_off or look.was_off
    return until == "on" and not look.is_off


def _too_late(name: str | None, until: str | None, timeout: float | None) -> str:
    return f"watched for {timeout:g} s" if until is None else f"{name} was not {until} within {timeout:g} s"
