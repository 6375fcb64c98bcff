"""A block of lines at the end of a terminal's scrollback, drawn again in place."""

from __future__ import annotations

from typing import IO

from driftbreaker.cli.width import folded, size_of, width

# For a terminal that will not say.
USUAL = (80, 24)
# Most terminals show what lies between these two at once; the others pass over them.
_BEGIN, _END = "\x1b[?2026h", "\x1b[?2026l"


class Canvas:
    """Draws lines over those that it drew before, in one write each time, so that nothing flickers.

    It hides no cursor, changes no mode and opens no second screen: whenever the process ends, and however, there is
    nothing to put back. Where the terminal has become so narrow or low that what stands there has moved, it begins
    anew below.
    """

    def __init__(self, out: IO[str]) -> None:
        self._out = out
        self._drawn: list[str] = []

    def draw(self, lines: list[str]) -> None:
        """Draw these lines, folded to the terminal's width and cut to its height."""
        columns, height = size_of(self._out) or USUAL
        # The last column stays free: a full line would move some terminals on by itself.
        shown = [part for line in lines for part in folded(line, columns - 1)]
        room = max(height - 1, 1)
        if len(shown) > room:
            shown = [*shown[: room - 1], f"… and {len(shown) - room + 1} lines more"][:room]
        back = self._way_back(columns, height)
        self._out.write(_BEGIN + back + "".join(f"{line}\x1b[K\n" for line in shown) + "\x1b[J" + _END)
        self._out.flush()
        self._drawn = shown

    def _way_back(self, columns: int, height: int) -> str:
        moved = len(self._drawn) >= height or any(width(line) >= columns for line in self._drawn)
        return "\r" if moved or not self._drawn else f"\r\x1b[{len(self._drawn)}A"
