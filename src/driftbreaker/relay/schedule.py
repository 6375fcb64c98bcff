"""When to say it again: pure arithmetic in seconds, with chance handed in."""

from __future__ import annotations

from ..alerts import Alert, Cadence
from ..waits import Chance, spread

# Alertmanager loses a resolve that is early by its clock, and peers miss what they were down for.
FIRST_RESOLVES = (5.0, 15.0)
RESOLVES_FOR = 900.0


def next_send(alert: Alert, cadence: Cadence, sends: int, resend_interval: float, chance: Chance) -> float | None:
    """Return in how many seconds an alert taken for the `sends`-th time just now is due again; None for never."""
    if cadence is not Cadence.STATE:
        return None
    regular = spread(resend_interval, chance)
    if alert.firing:
        return regular
    if sends <= len(FIRST_RESOLVES):
        return FIRST_RESOLVES[sends - 1]
    told_for = sum(FIRST_RESOLVES) + (sends - 1 - len(FIRST_RESOLVES)) * resend_interval
    return regular if told_for < RESOLVES_FOR else None
