"""The command `driftbreaker outbox show`."""

import click

from driftbreaker.cli.completion import names
from driftbreaker.cli.database import database_option, json_option, open_database
from driftbreaker.cli.text import as_json as render
from driftbreaker.cli.text import say
from driftbreaker.cli.width import say_lines


@click.command()
@click.argument("alert", metavar="IDENTITY|BREAKER", shell_complete=names)
@database_option
@json_option
def show(alert: str, url: str | None, as_json: bool) -> None:
    """Show one alert: labels, incident, deliveries with what a channel refused.

    Takes a breaker's name, which may have several alerts, or an alert's identity or its first six signs or more.
    """
    with open_database(url) as database:
        from driftbreaker.cli.outbox import document, screen
        from driftbreaker.cli.outbox.finding import found_by
        from driftbreaker.outbox import entries_of, incidents_of

        with database.session() as session:
            identities = found_by(session, database.ledger, alert)
            found = entries_of(session, database.ledger, identities)
            incidents = incidents_of(session, database.ledger, identities)
    if as_json:
        say(render({"alerts": [document.detailed(entry, incidents.get(entry.identity)) for entry in found]}))
        return
    for number, entry in enumerate(found):
        say_lines(([""] if number else []) + list(screen.detailed(entry, incidents.get(entry.identity))))
