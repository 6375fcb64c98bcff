"""The command `driftbreaker audit export`."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from driftbreaker.cli.completion import names
from driftbreaker.cli.database import database_option, open_database
from driftbreaker.cli.options import shared
from driftbreaker.cli.text import say, tell
from driftbreaker.cli.width import can_draw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from driftbreaker.cli.engine import Database
    from driftbreaker.store import Wanted

    Advance = Callable[[int, int], None]


@click.command()
@database_option
@click.option("--since", metavar="WHEN", help="From 2026-07-01, 2026-07-01T09:00Z or 90d ago on. UTC, or see --local.")
@click.option("--until", metavar="WHEN", help="Before then.")
@click.option("--quarter", metavar="QUARTER", help="Within 2026Q3, or the 'last' one.")
@click.option("--breaker", "name", metavar="NAME", shell_complete=names, help="Of this breaker, with all its scopes.")
@click.option("--actor", metavar="WHO", help="By this person or program, exactly as on record.")
@shared("output", type=click.Choice(["csv", "jsonl"]), default="csv", help="How to print it.  [default: csv]")
@shared("as_json", help="The same as -o jsonl.")
def export(url: str | None, output: str, as_json: bool, **which: str | None) -> None:
    """Write the history of all breakers, oldest first: who did what, why, when, by which door.

    A stream of any length, read in many short transactions: what was committed when it begins is in it, once. Every
    entry of the table is looked at, whatever is wanted of it. CSV is for spreadsheets; what it escapes, JSON lines
    give back as it was.
    """
    output = "jsonl" if as_json else output
    with open_database(url) as database:
        wanted, written = _wanted(database, **which), 0
        with _progress() as advance:
            for lines in _stretches(database, wanted, output, advance):
                say("\n".join(lines))
                written += len(lines)
    changes = written - (output == "csv")
    tell("Nothing of it is on record." if not changes else f"{changes} change{'s' * (changes > 1)} written.")


def _wanted(database: Database, *, name: str | None, actor: str | None, **when: str | None) -> Wanted:
    from driftbreaker import store
    from driftbreaker.cli.audit.span import span_of
    from driftbreaker.cli.breakers.finding import found

    with database.session() as session:
        since, until = span_of(**when, now=store.database_now(session, database.tables))
        if name is not None:
            found(session, database, name, None)
    return store.Wanted(since=since, until=until, name=name, actor=actor)


def _stretches(database: Database, wanted: Wanted, output: str, advance: Advance) -> Iterator[list[str]]:
    """Yield lines, those of one stretch together: a write for each would take longer than the database does."""
    from driftbreaker import store
    from driftbreaker.cli.breakers import document
    from driftbreaker.cli.output import Format, header_of, lines_of

    kind, columns = Format(output), document.HISTORY_COLUMNS
    # After the first look: what cannot be read is not begun.
    header = [header_of(columns)] if kind is Format.CSV else []
    for stretch in store.history(database.session, database.tables, wanted):
        lines = [*header, *lines_of(kind, map(document.change, stretch.entries), columns)]
        header = []
        if lines:
            yield lines
        advance(stretch.passed, stretch.places)
    if header:
        yield header


@contextmanager
def _progress() -> Iterator[Advance]:
    """Show how far it is, to whoever sits at a terminal that does not show the data."""
    if not can_draw(sys.stderr) or sys.stdout.isatty():
        yield lambda *_: None
        return
    with click.progressbar(length=1, label="Exporting", file=sys.stderr) as bar:
        bar_: Any = bar

        def advance(passed: int, places: int) -> None:
            bar_.length = places
            bar_.update(passed - bar_.pos)

        yield advance
