"""Writers of every kind race, and what is written stays explainable.

Every operation has a transaction of its own, and nothing is retried: none of them may fail, on SQLite neither (a
busy timeout is set; only a caller who reads first and then writes in one transaction could meet BUSY_SNAPSHOT).
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from driftbreaker import BreakerSettings
from tests.support.crowd import Crowd, Member, Place
from tests.support.promises import assert_promises_kept
from tests.support.worlds import World

EXPIRED_AT_FIRST = ("basket", "pricing")
NAMES = ("basket", "checkout", "pricing", "search")
OFTEN, SELDOM = 4, 1


def soon(dice: random.Random) -> datetime:
    """An end that may have passed before it is written."""
    return datetime.now(UTC) + timedelta(milliseconds=dice.randint(-20, 60))


def soon_enough(dice: random.Random) -> datetime:
    """An end that others will still meet, and put off."""
    return datetime.now(UTC) + timedelta(milliseconds=dice.randint(100, 1000))


def later() -> datetime:
    return datetime.now(UTC) + timedelta(hours=1)


Deed = Callable[[Any, random.Random, str], Any]

DEEDS: dict[str, tuple[int, Deed]] = {
    "bad": (OFTEN * 3, lambda breaker, _dice, _who: breaker.report_drift(0.5)),
    "good": (OFTEN, lambda breaker, _dice, _who: breaker.report_drift(0.1)),
    "schema error": (OFTEN, lambda breaker, _dice, _who: breaker.report_schema_error(2)),
    "check": (OFTEN, lambda breaker, _dice, _who: breaker.is_disabled()),
    "disable or extend": (
        OFTEN,
        lambda breaker, dice, who: breaker.disable("maintenance", actor=who, until=soon_enough(dice)),
    ),
    "disable or supersede": (
        SELDOM * 2,
        lambda breaker, dice, who: breaker.disable(f"reason {dice.randint(1, 9)}", actor=who, until=soon(dice)),
    ),
    "disable for good": (SELDOM, lambda breaker, _dice, who: breaker.disable("maintenance", actor=who)),
    "hold": (SELDOM, lambda breaker, _dice, who: breaker.hold("not yet", actor=who, until=later())),
    "enable": (SELDOM * 2, lambda breaker, _dice, who: breaker.enable("fine again", actor=who)),
    "reset": (OFTEN, lambda breaker, _dice, who: breaker.reset("from the start", actor=who)),
    "force on": (SELDOM, lambda breaker, _dice, who: breaker.force_on("we know", actor=who, until=later())),
}


def act_at_random(member: Member, deeds: int, releases: int) -> None:
    """Do what the dice say. With several `releases` of the code about, writers disagree about the settings."""
    dice = random.Random(member.number)
    release = member.number % releases
    settings = BreakerSettings(
        failure_threshold=2 + release, schema_error_threshold=4, ttl=timedelta(milliseconds=20 * (1 + release))
    )
    weights = [weight for weight, _ in DEEDS.values()]
    for _ in range(deeds):
        (_, deed), name = dice.choices(list(DEEDS.values()), weights)[0], dice.choice(NAMES)
        with member.world.committed(name, settings=settings) as breaker:
            deed(breaker, dice, f"user {member.number}")


@pytest.fixture
def expired(world: World) -> World:
    for name in EXPIRED_AT_FIRST:
        with world.committed(name) as breaker:
            breaker.disable("over already", actor="alice", until=datetime.now(UTC) - timedelta(hours=1))
    return world


@pytest.mark.parametrize("place", ["sqlite", "psycopg", "asyncpg"], indirect=True)
def test_racing_writers_of_every_kind_leave_everything_explained(crowd: Crowd, place: Place, expired: World) -> None:
    crowd.race(8, place, act_at_random, 60, 1)
    assert_promises_kept(expired)
    seen = Counter(entry["change"] for entry in expired.rows("history"))
    assert set(seen) >= {"trip", "disable", "supersede", "extend", "enable", "reset", "recover", "force_on"}, seen


def test_racing_writers_with_different_settings_leave_everything_explained(
    crowd: Crowd, place: Place, expired: World
) -> None:
    crowd.race(8, place, act_at_random, 60, 2)
    assert_promises_kept(expired)
    assert any(entry["change"] == "settings" for entry in expired.rows("history"))
