"""Text as a terminal may see it: what others wrote moves no cursor, and no encoding is in its way."""

from __future__ import annotations

import json
import os
import re
import sys
from contextlib import suppress
from datetime import datetime
from typing import IO, Any

import click

from driftbreaker.cli.options import given

# Control characters, separators of lines and paragraphs, what turns the writing direction or is not seen, surrogates.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff\ufff9-\ufffb]"
)


# For encodings that know ASCII only; one sign for one sign keeps the columns.
_ASCII = str.maketrans("●■◌·▲…", "*#o.^~")


STDOUT = "stdout"
# Two lines of a usual terminal: what follows a reason of any length is to be seen beside it.
SHORT = 160

_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def plain(text: str) -> str:
    """Return `text` on one line, every character that a terminal would obey written as its escape."""
    return _UNSAFE.sub(_escape, text)


def short(text: str) -> str:
    """Return `text` as `plain` does, cut where it is long: in a list, or beside what matters more."""
    return plain(text if len(text) <= SHORT else text[: SHORT - 1] + "…")


def as_json(value: Any) -> str:
    """Return a JSON document that a terminal can show as well: the same escapes, which JSON reads back."""
    return _indented(json.dumps(value, indent=2, ensure_ascii=False))


def as_json_line(value: Any) -> str:
    """Return a JSON document on one line."""
    return _indented(json.dumps(value, ensure_ascii=False))


def _indented(text: str) -> str:
    # JSON has escaped what lies below U+0020 by itself; its own line breaks stay.
    return _UNSAFE.sub(lambda found: found[0] if found[0] == "\n" else f"\\u{ord(found[0]):04x}", text)


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return {9: "\\t", 10: "\\n", 13: "\\r"}.get(code, f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")


def say(text: str = "") -> None:
    """Print data, on stdout. What its encoding lacks is written as an escape. Raises OSError, which names STDOUT."""
    try:
        click.echo(encodable(text, sys.stdout))
    except OSError as error:
        abandon(sys.stdout)
        error.filename = STDOUT
        raise


def tell(text: str) -> None:
    """Print prose, on stderr, folded between words where that is a terminal.

    Where it cannot be written, nobody reads it: what is done, and its status, stay.
    """
    from driftbreaker.cli.width import fitted

    try:
        for line in fitted(text, sys.stderr):
            click.echo(encodable(line, sys.stderr), err=True)
    except OSError:
        abandon(sys.stderr)


def abandon(stream: IO[str]) -> None:
    """Let what a stream could not write go nowhere: Python tries it once more at the end, and has a status for that."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def encodable(text: str, stream: IO[str]) -> str:
    """Return `text` with what the stream's encoding lacks as escapes."""
    encoding = getattr(stream, "encoding", None) or "ascii"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(_ASCII).encode(encoding, "backslashreplace").decode(encoding)
    return text


def moment(at: datetime, now: datetime) -> str:
    """Return an instant with how far it lies from `now`."""
    return f"{instant(at)} ({distance((at - now).total_seconds())})"


def instant(at: datetime) -> str:
    """Return an instant in UTC, or with `--local` by the reader's own clock, and the name of the zone."""
    return f"{at.astimezone() if given('local') else at:%Y-%m-%d %H:%M:%S %Z}"


def distance(seconds: float) -> str:
    """Return how far ahead or ago, in the largest unit that fits, and the next one where that is few."""
    away = _nearest(seconds) if seconds > 0 else int(-seconds)
    for place, (unit, length) in enumerate(_UNITS):
        if away >= length:
            told = f"{away // length} {unit}"
            rest = away % length // _UNITS[place + 1][1] if _few(place, away) else 0
            told += f" {rest} {_UNITS[place + 1][0]}" if rest else ""
            return f"in {told}" if seconds > 0 else f"{told} ago"
    return "now"


def _nearest(seconds: float) -> int:
    """Return what lies ahead as near as it is told: a day is no 23 hours a moment later."""
    for place, (_, length) in enumerate(_UNITS):
        if seconds >= length:
            fine = _UNITS[place + 1][1] if _few(place, seconds) else length
            return int((seconds + fine / 2) // fine) * fine
    return 0


def _few(place: int, away: float) -> bool:
    """Return whether the next smaller unit is told as well."""
    return place < 2 and away < 10 * _UNITS[place][1]
