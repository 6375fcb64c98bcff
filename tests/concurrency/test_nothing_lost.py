"""Nothing that is reported gets lost between writers, and writers in name order do not lock each other out."""

from __future__ import annotations

from driftbreaker import BreakerSettings
from tests.support.crowd import Crowd, Member, Place
from tests.support.worlds import World

UNREACHABLE = 10_000


def report_bad(member: Member, reports: int) -> None:
    for _ in range(reports):
        with member.world.committed(settings=BreakerSettings(failure_threshold=UNREACHABLE)) as breaker:
            breaker.report_drift(0.5)


def test_3200_bad_reports_of_16_processes_are_all_counted(crowd: Crowd, place: Place, world: World) -> None:
    crowd.race(16, place, report_bad, 200)
    assert world.row()["failures"] == 3200
    assert [world.count(table) for table in ("breakers", "incidents", "history")] == [1, 0, 0]


def report_both(member: Member, transactions: int) -> None:
    """The documented rule for several breakers in one transaction: in the order of their names."""
    settings = BreakerSettings(failure_threshold=UNREACHABLE)
    for _ in range(transactions):
        with member.world.session() as session:
            for name in ("checkout", "pricing"):
                member.world.breaker(session, name, settings=settings).report_drift(0.5)
            session.commit()


def test_two_breakers_in_one_transaction_in_name_order_never_deadlock(crowd: Crowd, place: Place, world: World) -> None:
    crowd.race(8, place, report_both, 25)
    assert [row["failures"] for row in world.rows("breakers")] == [200, 200]


def trip_both(member: Member) -> list[str]:
    with member.world.session() as session:
        incidents = [
            member.world.breaker(session, name, settings=BreakerSettings(failure_threshold=4)).report_drift(0.5)
            for name in ("checkout", "pricing")
        ]
        session.commit()
    return [incident.name for incident in incidents if incident is not None]


def test_two_breakers_that_trip_in_one_transaction_never_deadlock(crowd: Crowd, place: Place, world: World) -> None:
    tripped = crowd.race(8, place, trip_both)
    assert sorted(name for names in tripped for name in names) == ["checkout", "pricing"]
    assert [(row["status"], row["failures"]) for row in world.rows("breakers")] == [("open", 4)] * 2
    assert world.count("incidents") == 2
