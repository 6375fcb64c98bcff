"""Whose chance it is: jitter must not move what the host draws from a source that it has seeded."""

from __future__ import annotations

import random
from pathlib import Path

from driftbreaker import waits

PACKAGE = Path(waits.__file__).parent


def test_waiting_draws_nothing_from_the_hosts_source() -> None:
    random.seed(1)
    expected = random.random()
    random.seed(1)
    for _ in range(3):
        assert 0 <= waits.back_off(3, 1.0, 60.0, waits.CHANCE) <= 4
    assert random.random() == expected


def test_no_room_draws_from_the_hosts_source() -> None:
    drawing = [path for path in PACKAGE.rglob("*.py") if "random.random" in path.read_text()]
    assert drawing == [], "use waits.CHANCE, or a Random of your own"
