"""The group `driftbreaker alerts`."""

from driftbreaker.cli.groups import Lazy, LazyGroup

_COMMANDS = {
    "test": Lazy("driftbreaker.cli.alerts.testing", "test", "Fire and resolve an alert through every channel."),
}

alerts = LazyGroup(name="alerts", lazy=_COMMANDS, help="Try the way to your pager, without a database.")
