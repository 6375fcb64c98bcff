"""The group `driftbreaker outbox`."""

from driftbreaker.cli.groups import Lazy, LazyGroup

_HERE = "driftbreaker.cli.outbox"
_COMMANDS = {
    "list": Lazy(f"{_HERE}.listing", "list_alerts", "Show what fires or waits, and how each channel does."),
    "retry": Lazy(f"{_HERE}.retrying", "retry", "Make what was refused or fails due at once."),
    "show": Lazy(f"{_HERE}.showing", "show", "Show one alert: labels, incident, deliveries."),
}

outbox = LazyGroup(
    name="outbox",
    lazy=_COMMANDS,
    help="See which alerts fire or wait, and send them again.\n\n"
    "The outbox holds one alert per label set, as the breakers' transactions left it; a delivery is one channel's side "
    "of it. Nothing here writes an alert.",
)
