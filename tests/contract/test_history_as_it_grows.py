"""Whoever follows the history, or reads all of it, gets each entry once, whatever the order of the commits."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert
from sqlalchemy.orm import Session

from driftbreaker import store
from tests.support.worlds import CHOSEN, TABLES, World

SYNC = [driver for driver in CHOSEN if driver in ("sqlite", "psycopg")]
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LOOKED_BACK = 500
ENTRY = {
    "name": "pricing",
    "scope": "",
    "change": "trip",
    "old_status": "closed",
    "new_status": "open",
    "actor": "alice",
    "actor_kind": "user",
    "source": "claimed",
    "reason": "why",
    "details": {},
    "door": "session",
    "generation": 1,
    "version": 1,
}

pytestmark = pytest.mark.parametrize("world", SYNC, indirect=True)


def write(world: World, seqs: Iterable[int], **values: Any) -> None:
    """Commit entries of these numbers, each a second later than the one before."""
    rows = [{"at": NOON + timedelta(seconds=seq), **ENTRY, **values, "seq": seq} for seq in seqs]
    with world.outside.begin() as connection:
        connection.execute(insert(TABLES.history), rows)


def forget(world: World) -> None:
    with world.outside.begin() as connection:
        connection.execute(delete(TABLES.history))


def followed(world: World, trail: store.Trail, *, keep: bool = True) -> list[int]:
    with Session(world.outside) as session:
        found = [entry.seq for entry in trail.read(session)]
    if keep:
        trail.keep()
    return found


def test_what_was_there_before_is_not_new(world: World) -> None:
    write(world, [1, 2, 3])
    trail = store.Trail(TABLES)
    assert followed(world, trail) == []
    write(world, [4, 5])
    assert followed(world, trail) == [4, 5]
    assert followed(world, trail) == []


def test_an_empty_history_begins_at_nothing(world: World) -> None:
    trail = store.Trail(TABLES)
    assert followed(world, trail) == []
    write(world, [1])
    assert followed(world, trail) == [1]


def test_what_was_not_kept_is_read_again(world: World) -> None:
    trail = store.Trail(TABLES)
    followed(world, trail)
    write(world, [1])
    assert followed(world, trail, keep=False) == [1]
    assert followed(world, trail) == [1]
    assert followed(world, trail) == []


def test_more_than_a_page_is_read_at_once(world: World) -> None:
    trail = store.Trail(TABLES)
    followed(world, trail)
    for first, last in ((1, 500), (501, 1_000), (1_001, 2_101)):
        write(world, range(first, last + 1))
    assert followed(world, trail) == list(range(1, 2_102))


def test_a_late_number_is_found_among_the_latest_five_hundred(world: World) -> None:
    write(world, [1, 1_000])
    trail = store.Trail(TABLES)
    assert followed(world, trail) == []
    write(world, [LOOKED_BACK, LOOKED_BACK + 1, 999])
    assert followed(world, trail) == [LOOKED_BACK + 1, 999]
    write(world, [2_000])
    assert followed(world, trail) == [2_000]
    write(world, [1_499, 1_500, 1_999])
    assert followed(world, trail) == [1_500, 1_999]


def test_of_many_gaps_the_latest_are_kept(world: World) -> None:
    trail = store.Trail(TABLES)
    followed(world, trail)
    write(world, [400])
    write(world, [701])
    assert followed(world, trail) == [400, 701]  # 399 and 300 numbers were skipped: 500 of them are asked for again
    write(world, [199, 200, 399, 700])
    assert followed(world, trail) == [200, 399, 700]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(1, 25)), cuts=st.lists(st.integers(1, 23), unique=True).map(sorted))
def test_each_entry_comes_once_whatever_the_order_of_the_commits(
    world: World, order: list[int], cuts: list[int]
) -> None:
    forget(world)
    trail = store.Trail(TABLES)
    followed(world, trail)
    seen = []
    for first, last in zip([0, *cuts], [*cuts, len(order)], strict=True):
        write(world, order[first:last])
        found = followed(world, trail)
        assert found == sorted(order[first:last])
        seen += found
    assert sorted(seen) == list(range(1, 25))


def stretches(world: World, limit: int, **wanted: Any) -> list[tuple[list[int], int, int]]:
    def sessions() -> AbstractContextManager[Session]:
        return Session(world.outside)

    found = store.history(sessions, TABLES, store.Wanted(**wanted), limit=limit)
    return [([entry.seq for entry in each.entries], each.passed, each.places) for each in found]


def test_the_whole_history_comes_in_stretches_however_large_its_gaps(world: World) -> None:
    write(world, [5, 6, 9, 20, 21])
    assert stretches(world, 2) == [([5, 6], 2, 17), ([9, 20], 16, 17), ([21], 17, 17)]
    assert stretches(world, 5) == [([5, 6, 9, 20, 21], 17, 17)]
    assert stretches(world, 1_000) == [([5, 6, 9, 20, 21], 17, 17)]


def test_no_history_is_no_stretch(world: World) -> None:
    assert stretches(world, 10) == []


def test_what_commits_meanwhile_beyond_the_end_is_left_out(world: World) -> None:
    write(world, [1, 2, 4])
    growing = store.history(lambda: Session(world.outside), TABLES, store.Wanted(), limit=2)
    assert [entry.seq for entry in next(growing).entries] == [1, 2]
    write(world, [3, 5])
    assert [[entry.seq for entry in each.entries] for each in growing] == [[3, 4]]


def test_only_what_is_wanted_comes_and_every_place_is_passed(world: World) -> None:
    write(world, [1, 3])
    write(world, [2], name="search")
    write(world, [4], scope="gpt-4", actor="bob")
    assert stretches(world, 9, until=NOON + timedelta(seconds=3)) == [([1, 2], 4, 4)]
    assert stretches(world, 2, name="pricing") == [([1], 2, 4), ([3, 4], 4, 4)]
    assert stretches(world, 9, name="search") == [([2], 4, 4)]
    assert stretches(world, 9, actor="bob") == [([4], 4, 4)]
    from_two, before_four = NOON + timedelta(seconds=2), NOON + timedelta(seconds=4)
    assert stretches(world, 9, since=from_two) == [([2, 3, 4], 4, 4)]
    assert stretches(world, 9, until=before_four) == [([1, 2, 3], 4, 4)]
    assert stretches(world, 9, since=from_two, until=before_four, name="pricing") == [([3], 4, 4)]
