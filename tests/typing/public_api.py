"""What a type checker sees of the public names; read by pyright, never run."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, assert_type

from fastapi import Depends, FastAPI, Request
from sqlalchemy import Engine, MetaData
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import Session

import driftbreaker
from driftbreaker import (
    Alert,
    Alertmanager,
    AsyncCircuitBreaker,
    AsyncSwitchboard,
    BreakerSettings,
    BreakerState,
    Cadence,
    Channel,
    CircuitBreaker,
    Comparison,
    Handle,
    HistoryEntry,
    Incident,
    IncidentFiles,
    Outcome,
    Shadow,
    Switchboard,
    Webhook,
    costsim,
    guard,
)
from driftbreaker.contrib.fastapi import breaker, lifespan
from driftbreaker.scores import equality, field_by_field, measure, relative_delta
from driftbreaker.testing import AsyncMemorySwitchboard, MemoryReporter, MemorySwitchboard, override


def joined(session: Session, until: datetime) -> None:
    breaker = CircuitBreaker(session, "pricing", scope="gpt-4", settings=BreakerSettings(failure_threshold=5))
    assert_type(breaker.is_disabled(), bool)
    assert_type(breaker.report_drift(0.5, 3, {"model": "gpt-4"}, generation=1), Incident | None)
    assert_type(breaker.report_schema_error(2), Incident | None)
    assert_type(breaker.disable("why", actor="alice", until=until), tuple[bool, Incident | None])
    assert_type(breaker.hold("why", actor="alice", until=None), bool)
    assert_type(breaker.force_on("why", actor="alice", until=until), bool)
    assert_type(breaker.get_state(), BreakerState)
    assert_type(breaker.get_incidents(include_resolved=True), list[Incident])
    assert_type(breaker.get_history(), list[HistoryEntry])
    assert_type(driftbreaker.metadata, MetaData)
    breaker.disable("why")  # pyright: ignore[reportCallIssue]
    CircuitBreaker(session, "pricing", when="later")  # pyright: ignore[reportArgumentType]
    CircuitBreaker(session)  # pyright: ignore[reportCallIssue]


async def channels(alerts: list[Alert]) -> None:
    built_in: list[Channel] = [
        Alertmanager(["http://a:9093", "http://b:9093"], token="t"),
        Webhook("https://x.example", secret="whsec_", format="alertmanager"),
        IncidentFiles("incidents"),
    ]
    assert_type(await Alertmanager("http://a:9093").send(alerts), list[Outcome])
    assert_type(IncidentFiles("incidents").send(alerts), list[Outcome])
    assert_type([channel.cadence for channel in built_in], list[Cadence])
    Webhook("https://x.example")  # pyright: ignore[reportCallIssue]
    Webhook("https://x.example", secret="whsec_", format="xml")  # pyright: ignore[reportArgumentType]


async def joined_async(session: AsyncSession) -> None:
    breaker = AsyncCircuitBreaker(session, "pricing", scope="gpt-4")
    assert_type(await breaker.is_disabled(), bool)
    assert_type(await breaker.report_drift(0.5), Incident | None)
    assert_type(await breaker.enable("why", actor="alice"), bool)
    AsyncCircuitBreaker(session, "pricing", nonsense=1)  # pyright: ignore[reportCallIssue]


async def origin(session: Session) -> None:
    breaker = costsim.create_circuit_breaker(session)
    assert_type(await breaker.report_drift(0.5), costsim.Incident | None)
    assert_type(breaker.is_open(), bool)
    assert_type(await costsim.disable_v2(session, "why", "alice"), tuple[bool, costsim.Incident | None])


def scores(v1: Decimal, v2: Decimal) -> None:
    def own_score(control: Decimal, candidate: Decimal) -> Decimal:
        return abs(candidate - control)

    assert_type(relative_delta(floor=Decimal("0.01"), zero=None)(v1, v2), float)
    assert_type(equality(equal=lambda one, other: one is other)(v1, None), float)
    assert_type(field_by_field(ignore=("id",), score=own_score, combine="max")({"a": v1}, [v2]), float)
    assert_type(measure(own_score, v1, v2), float)
    field_by_field(combine="mean")  # pyright: ignore[reportArgumentType]
    measure(lambda control: 1.0, v1, v2)  # pyright: ignore[reportArgumentType, reportUnknownLambdaType]
    relative_delta(0.5)  # pyright: ignore[reportCallIssue]


@asynccontextmanager
async def own(app: FastAPI) -> AsyncGenerator[None]:
    yield


def tenant(request: Request) -> str:
    return request.headers["tenant"]


async def web(engine: Engine, async_engine: AsyncEngine) -> None:
    FastAPI(lifespan=lifespan(Switchboard(engine), inner=own))
    FastAPI(lifespan=lifespan(AsyncSwitchboard(async_engine)))
    FastAPI(lifespan=lifespan(MemorySwitchboard()))
    FastAPI(lifespan=lifespan(AsyncMemorySwitchboard()))
    lifespan(engine)  # pyright: ignore[reportArgumentType]
    breaker("pricing", scope=1)  # pyright: ignore[reportArgumentType]


def route(pricing: Annotated[Handle, Depends(breaker("pricing", tenant))]) -> bool:
    return pricing.is_open


@override("pricing", open=False)
def overridden(number: int) -> str:
    return str(number)


async def tested() -> None:
    assert_type(overridden(1), str)
    board = MemorySwitchboard()
    board.set("pricing", is_open=True, scope="gpt-4")
    board.lose_database(ago=timedelta(minutes=5))
    assert_type(board["pricing"], Handle)
    assert_type(board.wait_until("pricing", 1), bool)
    assert_type(await AsyncMemorySwitchboard().wait_until("pricing", 1), bool)
    board.set("pricing", True)  # pyright: ignore[reportCallIssue]


def price(order: int, *, currency: str = "USD") -> Decimal:
    return Decimal(order)


def candidate(order: int, *, currency: str = "USD") -> float:
    return float(order)


async def awaited(order: int, *, currency: str = "USD") -> Decimal:
    return Decimal(order)


async def shadows(switchboard: Switchboard) -> None:
    shadow = Shadow(switchboard, MemoryReporter(), "pricing", score=relative_delta(), serve="auto", beside="thread")
    assert_type(guard(MemorySwitchboard(), MemoryReporter(), "pricing", budget=0.5), Shadow)
    assert_type(shadow(price, candidate, 1, currency="EUR"), Decimal)
    assert_type(await shadow(awaited, candidate, 1), Decimal)
    assert_type(shadow.compare(price, candidate, 1), Comparison)
    assert_type(await shadow.compare(awaited, awaited, 1), Comparison)
    decorated = shadow.against(candidate)(price)
    assert_type(decorated(1, currency="EUR"), Decimal)
    assert_type(await shadow.against(candidate)(awaited)(1), Decimal)
    shadow(price, candidate, "1")  # pyright: ignore[reportArgumentType, reportCallIssue]
    shadow(price, candidate)  # pyright: ignore[reportCallIssue]
    decorated("1")  # pyright: ignore[reportArgumentType]
    guard(switchboard, MemoryReporter(), "pricing", serve="control")  # pyright: ignore[reportCallIssue]
    Shadow(switchboard, MemoryReporter(), "pricing", beside="later")  # pyright: ignore[reportArgumentType]
