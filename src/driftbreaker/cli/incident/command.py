"""The group `driftbreaker incident`."""

from driftbreaker.cli.groups import Lazy, LazyGroup

_HERE = "driftbreaker.cli.incident"
_COMMANDS = {
    "ack": Lazy(f"{_HERE}.acting", "acknowledge", "Say that you are on it."),
    "assign": Lazy(f"{_HERE}.acting", "assign", "Give it to somebody."),
    "list": Lazy(f"{_HERE}.listing", "list_incidents", "Show the incidents of a breaker, newest first."),
    "show": Lazy(f"{_HERE}.showing", "show", "Show one in full: evidence, who did what, its page."),
    "note": Lazy(f"{_HERE}.acting", "note", "Write to it."),
}

incident = LazyGroup(
    name="incident",
    lazy=_COMMANDS,
    help="See incidents, take them, write to them.\n\n"
    "An incident is the record of one opening. A breaker has at most one that is not over, which is the one that is "
    "meant unless --incident names another.",
)
