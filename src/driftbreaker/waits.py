"""How long to wait: pure arithmetic in seconds, with chance handed in."""

from __future__ import annotations

import random
from collections.abc import Callable

MAX_RETRY_AFTER = 3_600.0
JITTER = 0.1

Chance = Callable[[], float]
#: Not Python's own source: that is the host's to seed and to count on, and a forked child's copy of it draws alike.
CHANCE: Chance = random.SystemRandom().random


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
