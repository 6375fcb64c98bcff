"""What a terminal shows for the bytes it was sent: cursor, lines, styles. As much of one as this project speaks."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_SEQUENCE = re.compile(r"\x1b\[(\?)?([0-9;]*)([A-Za-z])")
Cell = tuple[str, tuple[str, ...]]


@dataclass
class Screen:
    """A screen with all its scrollback. Every cell is a character and its styles, as SGR numbers.

    Lines that are too long go on below, as on a terminal; what it does not know is an error.
    """

    columns: int = 80
    lines: list[list[Cell]] = field(default_factory=lambda: [[]])
    row: int = 0
    column: int = 0
    modes: set[str] = field(default_factory=set)
    _style: tuple[str, ...] = ()

    def feed(self, text: str) -> Screen:
        place = 0
        while place < len(text):
            found = _SEQUENCE.match(text, place)
            if found is None:
                self._put(text[place])
                place += 1
            else:
                self._obey(found[1] == "?", found[2], found[3])
                place = found.end()
        return self

    @property
    def text(self) -> list[str]:
        return ["".join(character for character, _ in line).rstrip() for line in self.lines]

    def _obey(self, private: bool, numbers: str, letter: str) -> None:
        if private:
            (self.modes.add if letter == "h" else self.modes.discard)(numbers)
        elif letter == "m":
            self._style = () if numbers in ("", "0") else (*self._style, *numbers.split(";"))
        elif letter == "A":
            self.row = max(self.row - int(numbers or 1), 0)
        elif letter == "K":
            del self.lines[self.row][self.column :]
        elif letter == "J":
            del self.lines[self.row][self.column :]
            del self.lines[self.row + 1 :]
        else:
            raise AssertionError(f"the screen does not know ESC [ {numbers} {letter}")

    def _put(self, character: str) -> None:
        if character == "\r":
            self.column = 0
        elif character == "\n":
            self._down()
        else:
            assert character >= " ", f"a control character reached the terminal: {character!r}"
            if self.column == self.columns:
                self._down()
            line = self.lines[self.row]
            line += [(" ", ())] * (self.column - len(line))
            line[self.column : self.column + 1] = [(character, self._style)]
            self.column += 1

    def _down(self) -> None:
        self.row, self.column = self.row + 1, 0
        if self.row == len(self.lines):
            self.lines.append([])
