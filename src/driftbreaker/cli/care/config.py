"""The group `driftbreaker config`: what the command line is set to, and by what."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, NamedTuple

import click

from driftbreaker.cli.environment import VARIABLES, Kind, found
from driftbreaker.cli.exits import Failure, Status, Usage
from driftbreaker.cli.groups import Lazy, LazyGroup
from driftbreaker.cli.output import Format, chosen, format_options, print_rows
from driftbreaker.cli.text import plain, tell
from driftbreaker.cli.width import say_lines

HIDDEN = "***"
UNREADABLE = "not shown: it cannot be read as a URL"
_OURS = ("DRIFTBREAKER_", "ALERTMANAGER_")
_LONGEST = max(map(len, VARIABLES))
# The column in which a value begins: after a shape, the name, and two blanks.
_VALUE = _LONGEST + 4
COLUMNS = ("name", "value", "source", "error", "about")


class Row(NamedTuple):
    """One setting as it may be shown."""

    name: str
    value: str | None
    source: str | None
    error: str | None
    about: str


config = LazyGroup(
    name="config",
    lazy={"show": Lazy(__name__, "show", "Show every setting, its value, and where it came from.")},
    help="See the settings of the command line, and where they come from.",
)


@click.command()
@format_options
def show(output: str | None, as_json: bool) -> None:
    """Show every setting that the command line reads, its value, and where it came from.

    Secrets are veiled, and URLs are without what may be one. An option goes before all of these. Exits with 1 when one
    of them cannot be used.
    """
    kind = chosen(output, as_json)
    rows = [_row(name) for name in VARIABLES]
    if kind is Format.TABLE:
        say_lines(_lines(rows), _VALUE)
    else:
        print_rows(kind, "settings", [row._asdict() for row in rows], COLUMNS)
    for told in _unread():
        tell(told)
    if any(row.error for row in rows):
        raise click.exceptions.Exit(Status.NO)


def _row(name: str) -> Row:
    variable = VARIABLES[name]
    try:
        value, path = found(name)
    except Usage as error:
        return Row(name, None, None, error.message, variable.about)
    if value is None:
        return Row(name, None, None, None, variable.about)
    source = "environment" if path is None else f"file {path}"
    if variable.kind is Kind.DATABASE:
        shown, wrong = _database(value)
    else:
        shown = _SHOWN[variable.kind](value)
        wrong = UNREADABLE if shown == UNREADABLE else None
    return Row(name, shown, source, wrong, variable.about)


def _lines(rows: list[Row]) -> Iterator[str]:
    for row in rows:
        name = f"{row.name:<{_LONGEST}}"
        if row.error is not None:
            value = "" if row.value in (None, UNREADABLE) else f"{plain(str(row.value))}: "
            yield f"{click.style('■', fg='red', bold=True)} {name}  {value}{plain(row.error)}"
        elif row.value is None:
            yield f"◌ {name}  not set: {row.about}"
        else:
            value = click.style(plain(row.value), bold=True)
            yield f"{click.style('●', fg='green', bold=True)} {name}  {value}  ({plain(row.source or '')})"


def _unread() -> Iterator[str]:
    """Yield what is set as if we read it: perhaps it is misspelt, perhaps a service's."""
    known = {*VARIABLES, *(f"{name}_FILE" for name, variable in VARIABLES.items() if variable.by_file)}
    for name in sorted(os.environ):
        if name.startswith(_OURS) and name not in known:
            near = get_close_matches(name, known, n=1, cutoff=0.85)
            meant = f": did you mean {near[0]}?" if near else "."
            yield plain(f"{name} is set, and the command line does not read it{meant}")


def _database(value: str) -> tuple[str, str | None]:
    """Return the URL as it may be shown, and why the command line cannot use it: a service may be able to."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    from driftbreaker.cli.engine import checked_url, shown_url

    try:
        shown = shown_url(make_url(value))
    except (ArgumentError, ValueError):
        return UNREADABLE, UNREADABLE
    try:
        checked_url(value)
    except Failure as error:
        return shown, error.message
    return shown, None


def _urls(value: str) -> str:
    from driftbreaker import InvalidArgumentError
    from driftbreaker.posting import Address

    shown = []
    for part in value.split(","):
        try:
            address = Address.parse(part.strip(), "it")
        except InvalidArgumentError:
            return UNREADABLE
        user = "" if address.username is None else f"{HIDDEN}@"
        scheme, _, place = address.origin.partition("://")
        shown.append(f"{scheme}://{user}{place}{address.path}{'?' + HIDDEN if address.query else ''}")
    return ",".join(shown)


def _secret_url(value: str) -> str:
    """Return the host alone: who knows the path of a webhook may post to it."""
    from driftbreaker import InvalidArgumentError
    from driftbreaker.posting import Address

    try:
        return f"{Address.parse(value, 'it').origin}/{HIDDEN}"
    except InvalidArgumentError:
        return UNREADABLE


def _secret_urls(value: str) -> str:
    schemes = (part.partition("://") for part in value.split())
    return " ".join(f"{scheme}://{HIDDEN}" if colon else HIDDEN for scheme, colon, _ in schemes)


_SHOWN: Mapping[Kind, Callable[[str], Any]] = {
    Kind.PLAIN: str,
    Kind.SECRET: lambda _: HIDDEN,
    Kind.URLS: _urls,
    Kind.SECRET_URL: _secret_url,
    Kind.SECRET_URLS: _secret_urls,
}
