"""However many processes act at once, each crossing makes one of everything."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from driftbreaker import BreakerSettings
from tests.support.crowd import Crowd, Member, Place
from tests.support.promises import assert_promises_kept
from tests.support.worlds import World

TABLES = ("breakers", "incidents", "outbox", "history")
EVERY_RACED_DRIVER = pytest.mark.parametrize("place", ["sqlite", "psycopg", "asyncpg"], indirect=True)


def made(world: World) -> dict[str, int]:
    return {table: world.count(table) for table in TABLES}


def report_bad(member: Member, reports: int, threshold: int) -> list[str]:
    """Report in a transaction each; return the ids of the incidents that were handed back."""
    settings = BreakerSettings(failure_threshold=threshold)
    given = []
    for _ in range(reports):
        with member.world.committed(settings=settings) as breaker:
            incident = breaker.report_drift(0.5)
        if incident is not None:
            given.append(incident.id)
    return given


@EVERY_RACED_DRIVER
def test_160_bad_reports_from_16_processes_make_one_trip(crowd: Crowd, place: Place, world: World) -> None:
    given = crowd.race(16, place, report_bad, 10, 3)
    assert made(world) == {"breakers": 1, "incidents": 1, "outbox": 1, "history": 1}
    row, (incident,) = world.row(), world.rows("incidents")
    assert (row["status"], row["failures"], row["trip_count"]) == ("open", 3, 1)
    assert [one for each in given for one in each] == [incident["id"]], (
        "one process, and no other, is told that it tripped the breaker"
    )
    assert_promises_kept(world)


def disable_for_own_reason(member: Member) -> bool:
    with member.world.committed() as breaker:
        changed, _ = breaker.disable(f"reason {member.number}", actor=f"user {member.number}")
    return bool(changed)


def test_tripped_breaker_disabled_for_16_reasons_has_one_incident_and_one_firing_alert(
    crowd: Crowd, place: Place, world: World
) -> None:
    with world.committed() as breaker:
        assert [breaker.report_drift(0.5) for _ in range(3)][-1] is not None
    assert crowd.race(16, place, disable_for_own_reason) == [True] * 16
    assert Counter(incident["status"] for incident in world.rows("incidents")) == {"superseded": 16, "open": 1}
    assert Counter(alert["state"] for alert in world.rows("outbox")) == {"resolved": 1, "firing": 1}
    assert_promises_kept(world)


def report_schema_error(member: Member, threshold: int) -> str | None:
    with member.world.committed(settings=BreakerSettings(schema_error_threshold=threshold)) as breaker:
        incident = breaker.report_schema_error()
    return None if incident is None else incident.id


def test_16_processes_with_one_schema_error_each_trip_once_at_16(crowd: Crowd, place: Place, world: World) -> None:
    given = crowd.race(16, place, report_schema_error, 16)
    (incident,) = world.rows("incidents")
    assert [one for one in given if one is not None] == [incident["id"]]
    assert (incident["severity"], incident["sample_count"]) == ("P3", 16)
    assert made(world) == {"breakers": 1, "incidents": 1, "outbox": 1, "history": 1}
    assert_promises_kept(world)


def test_15_schema_errors_of_16_do_not_trip(crowd: Crowd, place: Place, world: World) -> None:
    assert crowd.race(15, place, report_schema_error, 16) == [None] * 15
    assert sum(errors for _, errors in world.row()["schema_errors"]) == 15


def act(member: Member, operation: str, *args: Any, **options: Any) -> Any:
    with member.world.committed() as breaker:
        return getattr(breaker, operation)(*args, **options)


def disable(member: Member) -> bool:
    changed, _ = act(member, "disable", "maintenance", actor=f"user {member.number}")
    return bool(changed)


def test_first_use_by_32_processes_that_report_makes_one_row(crowd: Crowd, place: Place, world: World) -> None:
    assert crowd.race(32, place, report_bad, 1, 1000) == [[]] * 32
    assert made(world) == {"breakers": 1, "incidents": 0, "outbox": 0, "history": 0}
    assert world.row()["failures"] == 32


def test_first_use_by_32_processes_with_schema_errors_makes_one_row(crowd: Crowd, place: Place, world: World) -> None:
    assert crowd.race(32, place, report_schema_error, 1000) == [None] * 32
    assert made(world) == {"breakers": 1, "incidents": 0, "outbox": 0, "history": 0}
    assert sum(errors for _, errors in world.row()["schema_errors"]) == 32


def test_first_use_by_32_processes_that_disable_makes_one_incident(crowd: Crowd, place: Place, world: World) -> None:
    changed = crowd.race(32, place, disable)
    assert Counter(changed) == {True: 1, False: 31}
    assert made(world) == {"breakers": 1, "incidents": 1, "outbox": 1, "history": 1}
    assert_promises_kept(world)


def use_first(member: Member) -> None:
    """Each process begins with another operation."""
    operations = (("report_drift", 0.5), ("report_schema_error",), ("report_drift", 0.1), ("is_disabled",))
    if member.number % 5 == 4:
        disable(member)
    else:
        act(member, *operations[member.number % 5])


def test_first_use_by_32_processes_in_different_ways_makes_one_row(crowd: Crowd, place: Place, world: World) -> None:
    crowd.race(32, place, use_first)
    assert world.count("breakers") == 1
    assert world.row()["status"] == "open", "somebody disabled it, and nobody closed it"
    assert_promises_kept(world)
