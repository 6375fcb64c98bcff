"""The command `driftbreaker relay`. What it needs is imported when it runs."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import click

from driftbreaker.cli.channels import Receivers, channel_options, channels_of
from driftbreaker.cli.database import database_option, json_option, open_database
from driftbreaker.cli.exits import Status, Usage
from driftbreaker.cli.text import as_json, as_json_line, plain, say, tell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from driftbreaker import Channel, Pass, Relay
    from driftbreaker.cli.engine import Database


@click.command()
@database_option
@channel_options
@click.option("--once", is_flag=True, help="Make one pass, print what it did, and end.")
@click.option("--resend-interval", type=float, metavar="S", help="Say a firing alert again so often.  [default: 60]")
@click.option("--poll", type=float, metavar="S", help="Look for work so often.  [default: 5]")
@click.option("--lease", type=float, metavar="S", help="After it, what a killed relay took is free.  [default: 30]")
@click.option("--keep", type=float, metavar="S", help="Forget an alert so long after its end.  [default: 86400]")
@json_option
def relay(
    url: str | None,
    receivers: Receivers,
    once: bool,
    resend_interval: float | None,
    poll: float | None,
    lease: float | None,
    keep: float | None,
    as_json: bool,
) -> None:
    """Send the alerts that the database holds, until SIGTERM or Ctrl-C.

    Any number of relays may run beside each other. Each alert is sent as its committed row says, again while it
    fires, and once more when it is over; the recovery of an expired breaker is written, too. Being stopped, it makes
    one last pass and exits with 0. What cannot be sent waits in the database: see `driftbreaker outbox list`.

    With --once it exits with 1 when anything failed or was parked. Times are in seconds. Secrets are read from
    ALERTMANAGER_USERNAME and ALERTMANAGER_PASSWORD, or ALERTMANAGER_TOKEN, and from DRIFTBREAKER_WEBHOOK_SECRET; each
    but the name may end in _FILE and name a file. ALERTMANAGER_TIMEOUT is in seconds.
    """
    channels = channels_of(receivers, ", and without one a relay would only sweep")
    times = {"resend_interval": resend_interval, "poll": poll, "lease": lease, "keep": keep}
    with open_database(url) as database:
        made = _relay(database, channels, {name: each for name, each in times.items() if each is not None})
        _look(database, channels[0])
        if once:
            _once(made, as_json)
        else:
            _until_stopped(made, database, channels, as_json)


def _relay(database: Database, channels: Sequence[Channel], times: dict[str, Any]) -> Relay:
    from driftbreaker import InvalidArgumentError, Relay

    try:
        return Relay(database.engine, channels, tables=database.tables, **times)
    except InvalidArgumentError as error:
        raise Usage(str(error)) from None


def _look(database: Database, channel: Channel) -> None:
    """Read once what a relay reads: a wrong database is told at the start, and not retried for ever."""
    from driftbreaker.outbox import find_due

    with database.session() as session:
        find_due(session, database.ledger, channel.name, 1)


def _once(made: Relay, in_json: bool) -> None:
    from driftbreaker.cli.relay.log import logging_to

    with logging_to(tell):
        done = made.run_once()
    say(as_json(_counts(done)) if in_json else " · ".join(f"{what} {number}" for what, number in _counts(done).items()))
    if done.failed or done.parked:
        tell("Not everything was taken: see driftbreaker outbox list.")
        raise click.exceptions.Exit(Status.NO)


def _until_stopped(made: Relay, database: Database, channels: Sequence[Channel], in_json: bool) -> None:
    from driftbreaker.cli.relay.log import document_of, logging_to

    _end_on_signals()
    told = ", ".join(f"{channel.name} {channel!r}" for channel in channels)
    tell(plain(f"Relaying the alerts of {database.shown} to {told}. Stop it with SIGTERM or Ctrl-C."))
    with logging_to(tell, (lambda event: say(as_json_line(document_of(event)))) if in_json else None):
        made.run()
    tell("Stopped after a last pass.")


def _end_on_signals() -> None:
    """End well from the first line on: the relay handles signals itself as soon as it runs."""

    def end(*_: object) -> None:
        raise click.exceptions.Exit(Status.OK)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)


def _counts(done: Pass) -> dict[str, int]:
    return {"swept": done.swept, "sent": done.sent, "failed": done.failed, "parked": done.parked}
