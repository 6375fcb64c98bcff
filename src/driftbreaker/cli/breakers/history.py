"""The command `driftbreaker history`."""

from __future__ import annotations

import click

from driftbreaker.cli.completion import name_argument
from driftbreaker.cli.database import database_option, open_database
from driftbreaker.cli.output import Format, chosen, format_options, print_rows
from driftbreaker.cli.text import tell
from driftbreaker.cli.width import say_lines


@click.command()
@name_argument
@database_option
@click.option("--scope", metavar="SCOPE", default="", help="A scope.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many changes.")
@click.option("--before", type=click.IntRange(1), metavar="SEQ", help="Go on from the last entry that you saw.")
@format_options
def history(
    name: str, url: str | None, scope: str, limit: int, before: int | None, output: str | None, as_json: bool
) -> None:
    """Show what happened to a breaker, newest first: who did what, why, when, by which door."""
    kind = chosen(output, as_json)
    with open_database(url) as database:
        from driftbreaker import CircuitBreaker
        from driftbreaker.cli.breakers import document, screen
        from driftbreaker.cli.breakers.finding import found

        with database.session() as session:
            found(session, database, name, scope)
            breaker = CircuitBreaker(session, name, scope=scope, tables=database.tables)
            entries = breaker.get_history(limit, before)
    if kind is not Format.TABLE:
        print_rows(kind, "history", map(document.change, entries), document.HISTORY_COLUMNS)
        return
    for entry in entries:
        say_lines(screen.change(entry))
    if len(entries) == limit:
        tell(f"Older ones: --before {entries[-1].seq}")
    elif not entries:
        tell("Nothing has changed it so far." if before is None else "There is nothing older.")
