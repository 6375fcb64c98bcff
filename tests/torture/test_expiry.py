"""An end that comes while 32 processes check and report: it is met once.

Checks alone and reports alone at an end that is past are in tests/concurrency/test_expiry.py.
"""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from driftbreaker import BreakerSettings
from tests.support.crowd import Crowd, Member, Place
from tests.support.promises import assert_promises_kept
from tests.support.size import size
from tests.support.worlds import World

SETTINGS = BreakerSettings(failure_threshold=10_000, schema_error_threshold=10_000)
PROCESSES = 32
AHEAD, LONGEST_AHEAD = timedelta(seconds=1), timedelta(seconds=30)
CLOCK = timedelta(milliseconds=2)  # SQLite's has milliseconds


# With a real BEGIN, too, which takes no lock: what reports first never meets a stale snapshot, so nothing is refused.
EVERYWHERE = pytest.mark.parametrize(
    "place", ["sqlite", "sqlite BEGIN", "sqlite-wal", "sqlite-wal BEGIN", "psycopg", "asyncpg"], indirect=True
)


def disable(world: World, number: int, until: datetime) -> None:
    with world.committed(settings=SETTINGS) as breaker:
        assert breaker.disable(f"maintenance {number}", actor="alice", until=until)[0]


def act(world: World, number: int) -> tuple[str, bool]:
    """Return what was done, and whether the breaker was found disabled; a check comes first every other time."""
    when = "commit" if number % 8 >= 4 else "now"
    kind = ("check", "bad", "check", "schema error")[number % 4]
    found = False
    with world.committed(settings=SETTINGS, when=when) as breaker:
        if kind == "check":
            found = breaker.is_disabled()
        elif kind == "bad":
            breaker.report_drift(0.5)
        else:
            breaker.report_schema_error(1)
    return kind, found


def act_once(member: Member) -> str:
    kind, found = act(member.world, member.number)
    assert not found
    return kind


@EVERYWHERE
def test_an_end_that_is_past_is_met_once_and_no_report_after_it_is_lost(
    crowd: Crowd, place: Place, world: World
) -> None:
    rounds = size(2, 40)
    for number in range(rounds):
        disable(world, number, datetime.now(UTC) - timedelta(hours=1))
        did = Counter(crowd.race(PROCESSES, place, act_once))
        row = world.row()
        assert (row["status"], row["failures"]) == ("closed", did["bad"])
        assert sum(errors for _, errors in row["schema_errors"]) == did["schema error"]
    assert [entry["change"] for entry in world.rows("history")] == ["disable", "recover"] * rounds
    assert_promises_kept(world)


def act_until(member: Member, end: datetime) -> dict[str, int]:
    """Act until well after the end, and say how often, by whether that was after the end for sure."""
    did: Counter[str] = Counter()
    asked = end + AHEAD / 2
    while (begun := datetime.now(UTC)) < asked:
        kind, found = act(member.world, member.number)
        surely_over = begun > end + CLOCK
        assert not (surely_over and found), "disabled after its end"
        did[f"{kind} after" if surely_over else kind] += 1
        time.sleep(0.01)
    return dict(did)


@EVERYWHERE
def test_an_end_that_comes_is_met_once(crowd: Crowd, place: Place, world: World) -> None:
    rounds = size(1, 20)
    ends = met = 0
    ahead = AHEAD
    crowd.race(PROCESSES, place, nothing)  # starting processes takes longer than the end is ahead
    while met < rounds:
        end = datetime.now(UTC) + ahead
        disable(world, ends, end)
        did: Counter[str] = Counter()
        for each in crowd.race(PROCESSES, place, act_until, end):
            did.update(each)
        failures = world.row()["failures"]
        assert did["bad after"] <= failures <= did["bad after"] + did["bad"], did
        ends += 1
        if did["check"]:
            met += 1
        else:  # a busy machine brought nobody there in time to meet it open
            ahead *= 2
            assert ahead < LONGEST_AHEAD, "somebody met it open"
    assert [entry["change"] for entry in world.rows("history")] == ["disable", "recover"] * ends
    assert_promises_kept(world)


def nothing(_member: Member) -> None:
    pass
