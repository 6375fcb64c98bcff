"""When to say it again: pure arithmetic in seconds, with chance handed in."""

from __future__ import annotations

from collections.abc import Callable

from ..alerts import Alert, Cadence

# Alertmanager loses a resolve that is early by its clock, and peers miss what they were down for.
FIRST_RESOLVES = (5.0, 15.0)
RESOLVES_FOR = 900.0
MAX_RETRY_AFTER = 3_600.0
JITTER = 0.1

Chance = Callable[[], float]


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


def back_off(failures: int, base: float, cap: float, chance: Chance, retry_after: float | None = None) -> float:
    """Return how long to wait after the `failures`-th failure in a row.

    Doubles from `base` up to `cap`, with full jitter (a random share of it, so that relays do not come back in step),
    and is never shorter than the receiver's own wish, which counts up to an hour.
    """
    # Past some doublings every base has reached every cap; a float would not.
    ceiling = min(cap, base * 2.0 ** min(failures - 1, 60))
    wished = min(retry_after or 0.0, MAX_RETRY_AFTER)
    return max(wished, chance() * ceiling)


def spread(interval: float, chance: Chance) -> float:
    """Return an interval give or take a tenth."""
    return interval * (1 - JITTER + 2 * JITTER * chance())
