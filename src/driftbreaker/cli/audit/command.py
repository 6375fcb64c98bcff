"""The group `driftbreaker audit`."""

from driftbreaker.cli.groups import Lazy, LazyGroup

_COMMANDS = {
    "export": Lazy("driftbreaker.cli.audit.exporting", "export", "Write the history of all breakers, oldest first."),
}

audit = LazyGroup(name="audit", lazy=_COMMANDS, help="Say later who did what, when, and why.")
