"""How much of everything: what every change can wait for, or the long form that runs when nobody waits.

`DRIFTBREAKER_LONG` says which, here and nowhere else: unset, empty and 0 mean the short one. `make torture LONG=1` runs
all that has a long form.
"""

from __future__ import annotations

import os

VARIABLE = "DRIFTBREAKER_LONG"


def is_long(text: str | None) -> bool:
    """Return whether what the environment says asks for the long form."""
    return (text or "").strip() not in ("", "0")


LONG = is_long(os.environ.get(VARIABLE))


def size(short: int, long: int) -> int:
    """Return how often to repeat something."""
    return long if LONG else short
