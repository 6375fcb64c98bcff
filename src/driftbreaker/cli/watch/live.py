"""What a terminal gets: the breakers as they are, drawn anew where they stand, with what remains until each end."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click

from driftbreaker.cli.breakers import screen
from driftbreaker.cli.text import encodable, plain, tell
from driftbreaker.cli.watch.canvas import Canvas
from driftbreaker.cli.watch.news import Newsroom

if TYPE_CHECKING:
    from driftbreaker.cli.watch.looking import Look
    from driftbreaker.store import Overview

LATEST = 5


class Live:
    """Draws the last look again every second, with the clock going on."""

    tick: float | None = 1.0

    def __init__(self, *, named: bool, colour: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._named = named
        self._colour = colour
        self._clock = clock
        self._canvas = Canvas(sys.stdout)
        self._newsroom: Newsroom | None = None
        self._latest: deque[str] = deque(maxlen=LATEST)
        self._look: Look | None = None
        self._seen_at = 0.0
        self._lost: str | None = None

    def show(self, look: Look) -> None:
        """Draw a look."""
        if self._newsroom is None:
            self._newsroom = Newsroom(look)
        else:
            self._latest.extendleft(each.short() for each in self._newsroom.news(look))
        self._look, self._seen_at = look, self._clock()
        self.again()

    def again(self) -> None:
        """Draw it again, so much later."""
        if self._look is not None:
            lines = [line if self._colour else click.unstyle(line) for line in self._frame(self._look)]
            self._canvas.draw([encodable(line, sys.stdout) for line in lines])

    def lost(self, why: str) -> None:
        """Say that the database is away: in the picture, and in a log if stderr goes to one."""
        self._lost = why
        if not sys.stderr.isatty():
            tell(f"{why} · trying on")
        self.again()

    def back(self) -> None:
        """Say that it is back."""
        self._lost = None
        if not sys.stderr.isatty():
            tell("The database is back.")

    def end(self) -> None:
        """Leave the last picture as it is; what follows stands below it."""

    def _frame(self, look: Look) -> Iterator[str]:
        now = look.now + timedelta(seconds=self._clock() - self._seen_at)
        yield click.style(f"{now:%Y-%m-%d %H:%M:%S} UTC · Ctrl-C ends it", dim=True)
        if self._lost is not None:
            yield click.style(f"▲ as of {look.now:%H:%M:%S}: {plain(self._lost)} · trying on", fg="yellow")
        for row in look.rows:
            yield from self._breaker(replace(row, now=now), now)
        if not look.rows:
            yield "No breaker is on record: one is, once something bad was reported."
        if self._latest:
            yield ""
            yield from self._latest

    def _breaker(self, row: Overview, now: datetime) -> Iterator[str]:
        yield from screen.detailed(row) if self._named else screen.listed(row)
        end = row.state.recovers_at if row.state.is_open else row.state.forced_until
        if end is not None:
            left = click.style(countdown((end - now).total_seconds()), bold=True)
            yield f"   left    {left}" if self._named else f"   {left} left"


def countdown(seconds: float) -> str:
    """Return what remains, as a clock shows it."""
    left = max(int(seconds + 0.999), 0)
    days, left = divmod(left, 86_400)
    clock = f"{left // 3600:02}:{left // 60 % 60:02}:{left % 60:02}"
    return f"{days} d {clock}" if days else clock
