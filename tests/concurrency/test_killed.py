"""One trip, killed or cut off at each of its statements; every other scenario is in tests/torture (`make torture`)."""

from __future__ import annotations

import pytest

from tests.support.crowd import Place
from tests.torture.points import kill_at_every_point
from tests.torture.test_lost_connections import lose_connection_at_every_statement


def test_a_process_killed_at_any_statement_of_a_trip_leaves_all_or_nothing(place: Place) -> None:
    points = kill_at_every_point(place, "default", "trip")
    assert sum("driftbreaker_incidents" in point for point in points) == 2, "killed before and after the incident"


@pytest.mark.parametrize("place", ["psycopg"], indirect=True)
def test_a_connection_lost_at_any_statement_of_a_trip_leaves_nothing(place: Place) -> None:
    points = lose_connection_at_every_statement(place, "trip")
    assert sum("driftbreaker_incidents" in point for point in points) == 1, "lost before the incident"
