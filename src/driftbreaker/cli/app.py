"""The group of all commands; a command's module is imported when that command is asked for."""

import os

import click

from driftbreaker.cli.groups import Lazy, LazyGroup

_COMMANDS = {
    "alerts": Lazy("driftbreaker.cli.alerts.command", "alerts", "Try the way to your pager, without a database."),
    "demo": Lazy("driftbreaker.cli.demo.command", "demo", "Watch a breaker trip on real price changes, on one screen."),
    "outbox": Lazy("driftbreaker.cli.outbox.command", "outbox", "See which alerts fire or wait, and send them again."),
    "relay": Lazy("driftbreaker.cli.relay.command", "relay", "Send the alerts that the database holds, until stopped."),
}


@click.group(cls=LazyGroup, lazy=_COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="driftbreaker", message="%(prog)s %(version)s")
@click.pass_context
def app(ctx: click.Context) -> None:
    """Turn a new code path off when its answers drift, in the database you already have."""
    # click strips colour for pipes by itself, but knows nothing of https://no-color.org.
    if os.environ.get("NO_COLOR"):
        ctx.color = False
