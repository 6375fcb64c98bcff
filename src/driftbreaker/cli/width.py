"""How wide text is on a terminal, and lines that fit one. A pipe gets its lines as they are: others cut them up."""

from __future__ import annotations

import os
import re
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from typing import IO

import click

from driftbreaker.cli.text import say, tell

NARROWEST = 20
_STYLE = re.compile(r"\x1b\[[0-9;]*m")
# A line that begins with a word in a column of its own goes on below what follows the word.
_LABEL = re.compile(r"   [a-z]+ +")
_LABELLED = 11
# What stands in brackets, as "(4 min ago)", stays together while it is short.
_WORD = re.compile(r" *(?:\([^()]{1,16}\)[^ ]*|[^ ]+)")


def size_of(stream: IO[str]) -> tuple[int, int] | None:
    """Return columns and lines of the terminal that a stream is; None when it is none, or will not say."""
    try:
        columns, lines = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError, AttributeError):
        return None
    return (max(columns, NARROWEST), lines) if columns and lines else None


def can_draw(stream: IO[str]) -> bool:
    """Return whether a stream is a terminal where what stands there can be drawn anew."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def say_lines(lines: Iterable[str], hanging: int | None = None) -> None:
    """Print lines of a screen, on stdout; folded between words where that is a terminal.

    `hanging`: the column in which they go on, where that is not the one in which they begin.
    """
    for line in lines:
        for part in fitted(line, sys.stdout, hanging):
            say(part)


def tell_lines(*lines: str) -> None:
    """Print prose, on stderr; folded between words where that is a terminal."""
    for line in lines:
        tell(line)


def fitted(line: str, stream: IO[str], hanging: int | None = None) -> Iterator[str]:
    """Yield a line as the stream can show it: in parts where that is a terminal."""
    size = size_of(stream) if stream.isatty() else None
    return iter([line]) if size is None else folded(line, size[0], hanging)


def folded(line: str, columns: int, hanging: int | None = None) -> Iterator[str]:
    """Yield a line in parts of at most so many columns, those after the first indented to where the text began."""
    if width(line) <= columns:
        yield line
        return
    yield from _parts(line, columns, " " * min(_indent(line) if hanging is None else hanging, columns // 2))


def _parts(line: str, columns: int, hanging: str) -> Iterator[str]:
    # What begins further to the right than it may go on would leave most of a narrow terminal empty.
    if line.startswith(hanging + " "):
        line = hanging + line.lstrip(" ")
    part = ""
    for word in _pieces(line, columns - len(hanging)):
        if width(part + word.rstrip(" ")) > columns and part.strip(" "):
            done, begun = _sentence(part, columns // 2)
            yield done.rstrip(" ")
            part = hanging + (begun + word).lstrip(" ")
        else:
            part += word
    yield part.rstrip(" ")


def _sentence(part: str, least: int) -> tuple[str, str]:
    """Break after the last sentence that ends in a part, if that leaves it long enough."""
    head, mark, tail = part.rpartition(". ")
    return (head + mark, tail) if mark and width(head) >= least else (part, "")


def width(text: str) -> int:
    """Return how many columns a text takes, its styles none."""
    return sum(map(_columns, click.unstyle(text)))


def _columns(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def _indent(line: str) -> int:
    label = _LABEL.match(line)
    if label is not None and len(label[0]) == _LABELLED:
        return _LABELLED
    return max(len(line) - len(line.lstrip(" ")), 3)


def _pieces(line: str, columns: int) -> Iterator[str]:
    """Yield the words, each with the blanks before it; one that no line holds in parts."""
    for word in _WORD.findall(line):
        while width(word) > columns and not _STYLE.search(word):
            head = _head(word, columns)
            yield head
            word = word[len(head) :]
        yield word


def _head(text: str, columns: int) -> str:
    taken = 0
    for place, character in enumerate(text):
        taken += _columns(character)
        if taken > columns:
            return text[: max(place, 1)] if columns else text[:place]
    return text
