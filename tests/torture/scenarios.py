"""What a transaction may be in the midst of when its process or its connection dies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Column, Integer, MetaData, String, Table, insert, select

from driftbreaker import BreakerSettings
from tests.support.worlds import World

BAD, GOOD = 0.5, 0.1
NAMES = ("checkout", "pricing")
SETTINGS = BreakerSettings(failure_threshold=3, schema_error_threshold=3)
OTHER_SETTINGS = BreakerSettings(failure_threshold=3, schema_error_threshold=3, ttl=timedelta(hours=1))
ORDERS = Table("orders", MetaData(), Column("id", Integer, primary_key=True), Column("name", String(20)))

Rows = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A transaction of a caller's: what lies before it, what it does, and which changes it leaves in history."""

    prepare: Callable[[World], None]
    act: Callable[[World, Any], None]
    leaves: tuple[str, ...] = ()
    dialects: tuple[str, ...] = ("sqlite", "postgresql")


def nothing(_world: World) -> None:
    pass


def counted(world: World) -> None:
    for name in NAMES:
        with world.committed(name, settings=SETTINGS) as breaker:
            breaker.report_drift(BAD)
            breaker.report_drift(BAD)


def tripped(world: World) -> None:
    counted(world)
    with world.committed(settings=SETTINGS) as breaker:
        assert breaker.report_drift(BAD) is not None


def disabled(world: World) -> None:
    with world.committed(settings=SETTINGS) as breaker:
        breaker.disable("maintenance", actor="alice", until=ahead(1))


def expired(world: World) -> None:
    with world.committed(settings=SETTINGS) as breaker:
        breaker.disable("over already", actor="alice", until=ahead(-1))


def ahead(hours: int) -> datetime:
    return datetime.now(UTC) + timedelta(hours=hours)


def order(session: Any, name: str = "the caller's") -> None:
    session.execute(insert(ORDERS).values(name=name))


def then_order(*calls: tuple[Any, ...], settings: BreakerSettings = SETTINGS) -> Callable[[World, Any], None]:
    """Call the breaker's methods, each given as its name, its arguments and its options; then write the own row."""

    def act(world: World, session: Any) -> None:
        breaker = world.breaker(session, settings=settings)
        for method, *arguments, options in calls:
            getattr(breaker, method)(*arguments, **options)
        order(session)

    return act


def order_first(world: World, session: Any) -> None:
    order(session)
    world.breaker(session, settings=SETTINGS).report_drift(BAD)


def late(world: World, session: Any) -> None:
    """Against the order of the names, so that sorting them is put to work."""
    for name in reversed(NAMES):
        breaker = world.breaker(session, name, settings=SETTINGS, when="commit")
        breaker.report_drift(BAD)
        breaker.report_schema_error(1)
    order(session)


def both_now(world: World, session: Any) -> None:
    for name in NAMES:
        world.breaker(session, name, settings=SETTINGS).report_drift(BAD)
    order(session)


by_alice: dict[str, Any] = {"actor": "alice"}
TRIP = ("report_drift", BAD, {})

SCENARIOS: dict[str, Scenario] = {
    "count": Scenario(prepare=nothing, act=then_order(TRIP)),
    "clear": Scenario(prepare=counted, act=then_order(("report_drift", GOOD, {}))),
    "trip": Scenario(prepare=counted, act=then_order(TRIP), leaves=("trip",)),
    "trip at first use": Scenario(prepare=nothing, act=then_order(TRIP, TRIP, TRIP), leaves=("trip",)),
    "trip under new settings": Scenario(
        prepare=counted, act=then_order(TRIP, settings=OTHER_SETTINGS), leaves=("trip", "settings")
    ),
    "schema trip": Scenario(prepare=counted, act=then_order(("report_schema_error", 3, {})), leaves=("trip",)),
    "disable": Scenario(prepare=nothing, act=then_order(("disable", "maintenance", by_alice)), leaves=("disable",)),
    "supersede": Scenario(prepare=tripped, act=then_order(("disable", "maintenance", by_alice)), leaves=("supersede",)),
    "extend": Scenario(prepare=disabled, act=then_order(("disable", "maintenance", by_alice)), leaves=("extend",)),
    "hold": Scenario(
        prepare=tripped, act=then_order(("hold", "not yet", {**by_alice, "until": ahead(9)})), leaves=("hold",)
    ),
    "enable": Scenario(prepare=tripped, act=then_order(("enable", "fine again", by_alice)), leaves=("enable",)),
    "reset": Scenario(prepare=tripped, act=then_order(("reset", "from the start", by_alice)), leaves=("reset",)),
    "reset of a streak": Scenario(
        prepare=counted, act=then_order(("reset", "from the start", by_alice)), leaves=("reset",)
    ),
    "recovery by a writer": Scenario(prepare=expired, act=then_order(TRIP), leaves=("recover",)),
    "recovery by a check": Scenario(
        prepare=expired, act=then_order(("is_disabled", {})), leaves=("recover",), dialects=("postgresql",)
    ),
    "recovery and disable": Scenario(
        prepare=expired, act=then_order(("disable", "again", by_alice)), leaves=("recover", "disable")
    ),
    "force on": Scenario(
        prepare=tripped, act=then_order(("force_on", "we know", {**by_alice, "until": ahead(9)})), leaves=("force_on",)
    ),
    "late reports on two breakers": Scenario(prepare=counted, act=late, leaves=("trip", "trip")),
    "reports on two breakers": Scenario(prepare=counted, act=both_now, leaves=("trip", "trip")),
    "own row first": Scenario(prepare=counted, act=order_first, leaves=("trip",)),
}


def seen(world: World) -> Rows:
    """Everything there is, from outside: the breakers' tables and the caller's own."""
    with world.outside.connect() as connection:
        orders = [dict(row) for row in connection.execute(select(ORDERS).order_by(ORDERS.c.id)).mappings()]
    return {**world.everything(), "orders": orders}


def names_on_postgresql() -> list[str]:
    return [name for name, scenario in SCENARIOS.items() if "postgresql" in scenario.dialects]
