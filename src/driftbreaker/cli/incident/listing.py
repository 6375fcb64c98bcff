"""The command `driftbreaker incident list`."""

from __future__ import annotations

import click

from driftbreaker.cli.completion import name_argument
from driftbreaker.cli.database import database_option, open_database
from driftbreaker.cli.output import Format, chosen, format_options, print_rows
from driftbreaker.cli.text import tell
from driftbreaker.cli.width import say_lines


@click.command("list")
@name_argument
@database_option
@click.option("--scope", metavar="SCOPE", default="", help="A scope.")
@click.option("--all", "everything", is_flag=True, help="Also those that are over.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many.")
@format_options
def list_incidents(
    name: str, url: str | None, scope: str, everything: bool, limit: int, output: str | None, as_json: bool
) -> None:
    """Show the incidents of a breaker, newest first, with what was written to them."""
    kind = chosen(output, as_json)
    with open_database(url) as database:
        from driftbreaker import CircuitBreaker
        from driftbreaker.cli.breakers.finding import found
        from driftbreaker.cli.incident import document, screen

        with database.session() as session:
            row = found(session, database, name, scope)[0]
            breaker = CircuitBreaker(session, name, scope=scope, tables=database.tables)
            incidents = breaker.get_incidents(everything, limit)
            shown = [(each, breaker.get_notes(each.id)) for each in incidents]
    if kind is not Format.TABLE:
        print_rows(kind, "incidents", (document.incident(*each) for each in shown), document.COLUMNS)
        return
    for each, notes in shown:
        say_lines(screen.incident(each, notes, row.now))
    if not shown:
        tell("It never was off." if everything else "It is not off. See --all for what is over.")
