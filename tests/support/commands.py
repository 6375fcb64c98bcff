"""Every command of the command line with arguments that it can be tried with; a new one needs a sample here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
from sqlalchemy.orm import Session

from driftbreaker import BreakerSettings, CircuitBreaker
from driftbreaker.cli.app import app

from .terminal import Place

WHY = ("--reason", "because", "--by", "bob")
OFF, ON = "pricing", "search"


@dataclass(frozen=True)
class Sample:
    """Arguments for a place where `pricing` is off and `search` is on. {folder} is a folder of the test's own.

    `cares`: it looks at the database itself, or makes the tables, and its own tests say what it makes of an odd one.
    `writes`: it cannot do without the right to write. `waits`: it waits for a breaker's row. `exits`: how it ends.
    `answers`: its status is an answer, and whatever keeps it from one is one status.
    """

    arguments: tuple[str, ...] = ()
    database: bool = True
    writes: bool = False
    waits: bool = False
    exits: int = 0
    cares: bool = False
    answers: bool = False

    def given(self, folder: Path) -> list[str]:
        return [part.format(folder=folder) for part in self.arguments]

    def named(self, name: str) -> list[str] | None:
        """Return the arguments with another breaker's name; None when it takes none."""
        if not {OFF, ON} & set(self.arguments):
            return None
        return [name if part in (OFF, ON) else part for part in self.arguments]


def _changes(*arguments: str) -> Sample:
    return Sample(arguments, writes=True, waits=True)


SAMPLES = {
    "alerts test": Sample(("--incident-dir", "{folder}"), database=False),
    "audit export": Sample(),
    "check": Sample((OFF,), exits=1, answers=True),
    "config show": Sample(database=False),
    "demo": Sample(("--requests", "20"), database=False),
    "disable": _changes(ON, *WHY),
    "doctor": Sample(cares=True),
    "enable": _changes(OFF, *WHY, "-y"),
    "force-on": _changes(ON, *WHY, "--for", "1h", "--confirm", ON),
    "history": Sample((OFF,)),
    "hold": _changes(OFF, *WHY, "--until", "enabled"),
    "incident ack": _changes(OFF, "--by", "bob"),
    "incident assign": _changes(OFF, "bob", *WHY),
    "incident list": Sample((OFF,)),
    "incident note": _changes(OFF, "the cache?", "--by", "bob"),
    "incident show": Sample((OFF,)),
    "init": Sample(writes=True, cares=True),
    "list": Sample(),
    "observe": _changes(ON, "0.9"),
    "outbox list": Sample(),
    "outbox retry": Sample(("--all",), writes=True, exits=3),
    "outbox show": Sample((OFF,)),
    "relay": Sample(("--once", "--incident-dir", "{folder}"), writes=True),
    "reset": _changes(ON, *WHY, "-y"),
    "schema create": Sample(writes=True, cares=True),
    "schema verify": Sample(cares=True),
    "show": Sample((OFF,)),
    "watch": Sample((OFF, "--until", "off")),
}


def every_command(group: click.Group = app, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield the words of every command that there is."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from every_command(command, (*path, name))
        else:
            yield " ".join((*path, name))


def furnish(place: Place, off: str = OFF, on: str = ON, reason: str = "wrong on discounts") -> None:
    """Put the two breakers there."""
    place.disable(off, reason)
    with Session(place.engine) as session, session.begin():
        CircuitBreaker(session, on, settings=BreakerSettings()).report_drift(0.5)
