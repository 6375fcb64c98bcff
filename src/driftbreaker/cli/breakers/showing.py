"""The command `driftbreaker show`."""

from __future__ import annotations

import click

from driftbreaker.cli.completion import name_argument
from driftbreaker.cli.database import database_option, json_option, open_database
from driftbreaker.cli.text import as_json as render
from driftbreaker.cli.text import say, tell
from driftbreaker.cli.width import say_lines


@click.command()
@name_argument
@database_option
@click.option("--scope", metavar="SCOPE", help="Only this scope; '' is the whole.")
@json_option
def show(name: str, url: str | None, scope: str | None, as_json: bool) -> None:
    """Show one breaker: what traffic does, why, until when, who is on it, and what to type next."""
    with open_database(url) as database:
        from driftbreaker import CircuitBreaker
        from driftbreaker.cli.breakers import document, screen
        from driftbreaker.cli.breakers.advice import suggest
        from driftbreaker.cli.breakers.finding import found
        from driftbreaker.cli.incident.screen import note

        notes = {}
        with database.session() as session:
            rows = found(session, database, name, scope)
            for row in rows:
                if row.incident is not None:
                    breaker = CircuitBreaker(session, name, scope=row.state.scope, tables=database.tables)
                    notes[row.incident.id] = breaker.get_notes(row.incident.id)
    kept = [(row, notes.get(row.incident.id, []) if row.incident else []) for row in rows]
    if as_json:
        say(render({"breakers": [document.detailed(row, written) for row, written in kept]}))
        return
    for number, (row, written) in enumerate(kept):
        say_lines(([""] if number else []) + list(screen.detailed(row)))
        say_lines(f"   note    {note(each, row.now)}" for each in written)
    off = [row for row in rows if row.state.is_open]
    if off:
        tell("While it is off nothing measures it, unless a shadow does.")
    suggest((off or rows)[0])
