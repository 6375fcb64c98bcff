"""The command `driftbreaker list`."""

from __future__ import annotations

import click

from driftbreaker.cli.database import database_option, open_database
from driftbreaker.cli.output import Format, chosen, format_options, print_rows
from driftbreaker.cli.text import tell
from driftbreaker.cli.width import say_lines

NONE = "No breaker is on record: one is, once something bad was reported. To see one trip: driftbreaker demo"


@click.command("list")
@database_option
@click.option("--off", "only_off", is_flag=True, help="Only those that are off.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="How many that are on.")
@format_options
def list_breakers(url: str | None, only_off: bool, limit: int, output: str | None, as_json: bool) -> None:
    """Show every breaker: what traffic does, why, and until when.

    Those that are off come first, all of them, the latest on top; then those that are on, by name.
    """
    kind = chosen(output, as_json)
    with open_database(url) as database:
        from driftbreaker import store
        from driftbreaker.cli.breakers import document, screen

        with database.session() as session:
            off, on = store.breakers(session, database.tables, limit=0 if only_off else limit + 1)
    rows = off + on[:limit]
    if kind is not Format.TABLE:
        print_rows(kind, "breakers", map(document.breaker, rows), document.BREAKER_COLUMNS)
    for row in rows if kind is Format.TABLE else ():
        say_lines(screen.listed(row))
    if len(on) > limit:
        tell(f"There are more that are on: --limit {limit * 10} shows more of them.")
    if not rows:
        tell("Nothing is off. All of them: driftbreaker list" if only_off else NONE)
    elif kind is Format.TABLE:
        tell("More of one: driftbreaker show NAME")
