"""kill -9 between any two statements: all of a transaction or nothing of it, and nobody after it has to wait."""

from __future__ import annotations

import pytest

from tests.support.crowd import Place
from tests.support.size import LONG
from tests.torture.points import COMMITTED, kill_at_every_point
from tests.torture.scenarios import SCENARIOS, names_on_postgresql

ON_POSTGRESQL = pytest.mark.parametrize("place", ["psycopg", "asyncpg"] if LONG else ["psycopg"], indirect=True)
ON_SQLITE = pytest.mark.parametrize(
    ("place", "mode"),
    [
        ("sqlite", "default"),
        ("sqlite", "real BEGIN"),
        ("sqlite-wal", "default"),
        *([("sqlite-wal", "real BEGIN")] if LONG else []),
    ],
    indirect=["place"],
)


def assert_dies_everywhere(place: Place, mode: str, scenario: str) -> None:
    points = kill_at_every_point(place, mode, scenario)
    assert points[-2:] == ["before COMMIT", COMMITTED]
    assert len(points) >= 6, f"fewer points than a report and an own row have: {points}"


@ON_SQLITE
@pytest.mark.parametrize("scenario", [name for name, each in SCENARIOS.items() if "sqlite" in each.dialects])
def test_death_between_any_two_statements_leaves_all_or_nothing_on_sqlite(
    place: Place, mode: str, scenario: str
) -> None:
    assert_dies_everywhere(place, mode, scenario)


@ON_POSTGRESQL
@pytest.mark.parametrize("scenario", names_on_postgresql())
def test_death_between_any_two_statements_leaves_all_or_nothing_on_postgresql(place: Place, scenario: str) -> None:
    assert_dies_everywhere(place, "default", scenario)
