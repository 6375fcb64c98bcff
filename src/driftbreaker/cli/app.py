"""The group of all commands; a command's module is imported when that command is asked for."""

import os

import click

from driftbreaker.cli.groups import Lazy, LazyGroup

_BREAKERS = "driftbreaker.cli.breakers"
_CARE = "driftbreaker.cli.care"
_SWITCHING = f"{_BREAKERS}.switching"
_COMMANDS = {
    "alerts": Lazy("driftbreaker.cli.alerts.command", "alerts", "Try the way to your pager, without a database."),
    "audit": Lazy("driftbreaker.cli.audit.command", "audit", "Say later who did what, when, and why."),
    "check": Lazy(f"{_BREAKERS}.checking", "check", "Say whether V2 may run, by the exit status too."),
    "config": Lazy(f"{_CARE}.config", "config", "See the settings of the command line, and where they come from."),
    "demo": Lazy("driftbreaker.cli.demo.command", "demo", "Watch a breaker trip on real price changes, on one screen."),
    "disable": Lazy(_SWITCHING, "disable", "Turn V2 off, in every process, and page."),
    "doctor": Lazy(f"{_CARE}.doctoring", "doctor", "Find what is wrong with the database and the way to the pager."),
    "enable": Lazy(_SWITCHING, "enable", "Turn V2 on again, in every process, and resolve the page."),
    "force-on": Lazy(_SWITCHING, "force_on", "Keep V2 on until a time, whatever is reported."),
    "history": Lazy(f"{_BREAKERS}.history", "history", "Show what happened to a breaker, newest first."),
    "hold": Lazy(_SWITCHING, "hold", "Keep V2 off until a time of yours: nothing else ends it before."),
    "incident": Lazy("driftbreaker.cli.incident.command", "incident", "See incidents, take them, write to them."),
    "init": Lazy(f"{_CARE}.init", "init", "Make the tables, and print the code that a service needs."),
    "list": Lazy(f"{_BREAKERS}.listing", "list_breakers", "Show every breaker: what traffic does, why, until when."),
    "observe": Lazy(f"{_BREAKERS}.observing", "observe", "Report a score by hand, as the service would."),
    "outbox": Lazy("driftbreaker.cli.outbox.command", "outbox", "See which alerts fire or wait, and send them again."),
    "relay": Lazy("driftbreaker.cli.relay.command", "relay", "Send the alerts that the database holds, until stopped."),
    "reset": Lazy(_SWITCHING, "reset", "Turn V2 on, and forget what was counted."),
    "schema": Lazy(f"{_CARE}.schema", "schema", "Make the tables, or see whether they are as wanted."),
    "show": Lazy(f"{_BREAKERS}.showing", "show", "Show one breaker, and what to type next."),
    "watch": Lazy("driftbreaker.cli.watch.command", "watch", "Watch breakers as they change."),
}


@click.group(
    cls=LazyGroup,
    lazy=_COMMANDS,
    is_root=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="An option that commands share may stand before the command's name or after it; after wins.",
)
@click.version_option(package_name="driftbreaker", message="%(prog)s %(version)s")
@click.pass_context
def app(ctx: click.Context) -> None:
    """Turn a new code path off when its answers drift, in the database you already have."""
    # click strips colour for pipes by itself, but knows nothing of https://no-color.org, nor of what terminals lack.
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        ctx.color = False
