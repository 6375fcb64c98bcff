"""How much of everything: a few minutes for every change, or the long form that runs when nobody waits."""

from __future__ import annotations

import os

LONG = os.environ.get("DRIFTBREAKER_LONG", "") not in ("", "0")


def size(short: int, long: int) -> int:
    """Return how often to repeat something."""
    return long if LONG else short
