"""The command `driftbreaker outbox retry`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from driftbreaker.cli.completion import names
from driftbreaker.cli.database import database_option, json_option, open_database
from driftbreaker.cli.exits import NotFound, Usage
from driftbreaker.cli.people import dry_run_option, tell_dry
from driftbreaker.cli.text import as_json as render
from driftbreaker.cli.text import plain, say, tell

if TYPE_CHECKING:
    from driftbreaker.outbox.listing import Retried


@click.command()
@click.argument("alert", metavar="[IDENTITY|BREAKER]", shell_complete=names, required=False)
@database_option
@click.option("--all", "everything", is_flag=True, help="Every alert.")
@dry_run_option
@json_option
def retry(alert: str | None, url: str | None, everything: bool, dry_run: bool, as_json: bool) -> None:
    """Make what was refused or fails due at once.

    The next look of a relay sends it, as the alert is then. Exits with 3 when nothing is parked or failing. What a
    relay is sending at this moment is left to it.
    """
    if (alert is None) is not everything:
        raise Usage("which alert? Give an identity or a breaker's name, or --all, and not both")
    with open_database(url) as database:
        from driftbreaker.cli.outbox.finding import found_by
        from driftbreaker.outbox import retry as try_again

        with database.session(keeps=not dry_run) as session:
            identities = None if alert is None else found_by(session, database.ledger, alert)
            done = try_again(session, database.ledger, identities)
    if not done.due and not done.at_work:
        raise NotFound("nothing is parked or failing: there is nothing to try again")
    if as_json:
        due = [{"identity": identity, "channel": channel} for identity, channel in done.due]
        say(render({"dry_run": dry_run, "due": due, "at_work": done.at_work}))
    else:
        _show(done)
    if dry_run:
        tell_dry()


def _show(done: Retried) -> None:
    for identity, channel in done.due:
        say(f"{identity[:12]}  {plain(channel)}")
    tell(f"{_deliveries(len(done.due))} due at once.")
    if done.at_work:
        tell(f"A relay is at {done.at_work} more just now.")


def _deliveries(number: int) -> str:
    return "1 delivery is" if number == 1 else f"{number} deliveries are"
