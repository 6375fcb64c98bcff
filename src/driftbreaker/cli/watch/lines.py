"""What a pipe or a file gets: one line per change, for people or as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from driftbreaker.cli.breakers import document, screen
from driftbreaker.cli.text import as_json_line, say, tell
from driftbreaker.cli.watch.news import Newsroom

if TYPE_CHECKING:
    from driftbreaker.cli.watch.looking import Look


class Lines:
    """Prints what is off at the start, or how the breaker stands that is watched; then every change."""

    #: How often it wants to be called between two looks, in seconds; None for never.
    tick: float | None = None

    def __init__(self, *, as_json: bool, named: bool) -> None:
        self._as_json = as_json
        self._named = named
        self._newsroom: Newsroom | None = None

    def show(self, look: Look) -> None:
        """Print what is new."""
        if self._newsroom is None:
            self._newsroom = Newsroom(look)
            self._begin(look)
            return
        for each in self._newsroom.news(look):
            say(as_json_line(each.document()) if self._as_json else each.line())

    def again(self) -> None:
        """Nothing to do between two looks."""

    def lost(self, why: str) -> None:
        """Say that the database is away."""
        tell(f"{why} · trying on")

    def back(self) -> None:
        """Say that it is back."""
        tell("The database is back: what changed meanwhile follows.")

    def end(self) -> None:
        """Nothing to put back."""

    def _begin(self, look: Look) -> None:
        rows = [row for row in look.rows if self._named or row.state.is_open]
        for row in rows:
            if self._as_json:
                say(as_json_line({"event": "seen", "at": row.now.isoformat(), "breaker": document.breaker(row)}))
            else:
                say(next(iter(screen.listed(row))))
        if not rows:
            tell("Nothing is off now.")
        tell("Watching; every change is a line. Ctrl-C ends it.")
