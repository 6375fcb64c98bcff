"""The command `driftbreaker outbox list`."""

import click

from driftbreaker.cli.database import database_option, json_option, open_database
from driftbreaker.cli.text import as_json as render
from driftbreaker.cli.text import say, tell
from driftbreaker.cli.width import say_lines


@click.command("list")
@database_option
@click.option("--all", "everything", is_flag=True, help="Also what is over, and was told to every channel.")
@json_option
def list_alerts(url: str | None, everything: bool, as_json: bool) -> None:
    """Show what fires or waits, and how each channel does."""
    with open_database(url) as database:
        from driftbreaker.cli.outbox import document, screen
        from driftbreaker.outbox import entries

        with database.session() as session:
            found = entries(session, database.ledger, everything=everything)
    if as_json:
        say(render({"alerts": [document.alert(entry) for entry in found]}))
        return
    for entry in found:
        say_lines(screen.alert(entry))
    if not found:
        tell("No alert is on record." if everything else "No alert fires or waits. See --all for what is over.")
