"""Data for people and for programs: a screen, one JSON document, JSON lines, or CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any, TypeVar

from driftbreaker.cli.options import shared
from driftbreaker.cli.text import as_json, as_json_line, plain, say

Command = TypeVar("Command", bound=Callable[..., Any])
# What a spreadsheet would take for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Format(StrEnum):
    """How data is printed."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"


def format_options(command: Command) -> Command:
    """Give a command `-o` and `--json`; `chosen` reads them."""
    return shared("output")(shared("as_json")(command))


def chosen(output: str | None, as_json_: bool) -> Format:
    """Return the format that was asked for."""
    return Format.JSON if as_json_ else Format(output or Format.TABLE)


def print_rows(kind: Format, called: str, rows: Iterable[Mapping[str, Any]], columns: Iterable[str]) -> None:
    """Print rows for a program. `called` names them in a JSON document; `columns` are those of CSV."""
    if kind is Format.JSON:
        say(as_json({called: list(rows)}))
        return
    names = tuple(columns)
    if kind is Format.CSV:
        say(header_of(names))
    for line in lines_of(kind, rows, names):
        say(line)


def header_of(columns: Iterable[str]) -> str:
    """Return the first line of CSV."""
    return _csv_line(columns)


def lines_of(kind: Format, rows: Iterable[Mapping[str, Any]], columns: tuple[str, ...]) -> Iterator[str]:
    """Yield a line for each row: JSON, or else CSV without its header."""
    for row in rows:
        yield as_json_line(row) if kind is Format.JSONL else _csv_line(_cell(row[name]) for name in columns)


def _csv_line(cells: Iterable[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(cells)
    return line.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        text = plain(value)
        return f"'{text}" if text.startswith(_FORMULA) else text
    return plain(as_json_line(value))
