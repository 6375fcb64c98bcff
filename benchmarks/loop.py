"""Does a held row stall the event loop?"""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import AsyncIterator
from multiprocessing.synchronize import Event

from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

import driftbreaker
from driftbreaker import AsyncCircuitBreaker, BreakerSettings, CircuitBreaker

HELD = 0.2
NEVER = BreakerSettings(failure_threshold=2**40)
TICK = 0.0005


def longest_stalls(url: str) -> tuple[float, float]:
    """Return the longest time, in seconds, in which the loop ran nothing while a report waited for the row.

    First of the awaited breaker, then of the plain one called on the loop: what a stall looks like when there is one.
    """
    sync_url = url.replace("+asyncpg", "+psycopg")
    engine = create_engine(sync_url)
    driftbreaker.metadata.create_all(engine)
    with Session(engine) as session, session.begin():
        CircuitBreaker(session, "held", settings=NEVER).report_drift(0.9)
    engine.dispose()
    return asyncio.run(_watched(sync_url, _awaited(url))), asyncio.run(_watched(sync_url, _plain(sync_url)))


def _hold(url: str, holding: Event, go: Event) -> None:
    with Session(create_engine(url)) as session, session.begin():
        CircuitBreaker(session, "held", settings=NEVER).report_drift(0.9)
        holding.set()
        go.wait(30)
        time.sleep(HELD)


Report = AsyncIterator[None]


async def _awaited(url: str) -> Report:
    engine = create_async_engine(url)
    async with AsyncSession(engine) as session:
        breaker = AsyncCircuitBreaker(session, "held", settings=NEVER)
        # Connects, and lets SQLAlchemy compile the statements, which a process does once, in 10 to 20 ms.
        await AsyncCircuitBreaker(session, "warm", settings=NEVER).report_drift(0.9)
        await session.rollback()
        await breaker.is_disabled()
        yield
        await breaker.report_drift(0.9)
        await session.rollback()
        yield
    await engine.dispose()


async def _plain(url: str) -> Report:
    engine = create_engine(url)
    with Session(engine) as session:
        breaker = CircuitBreaker(session, "held", settings=NEVER)
        CircuitBreaker(session, "warm", settings=NEVER).report_drift(0.9)
        session.rollback()
        breaker.is_disabled()
        yield
        breaker.report_drift(0.9)
        session.rollback()
        yield
    engine.dispose()


async def _watched(url: str, report: Report) -> float:
    context = multiprocessing.get_context("spawn")
    holding, go = context.Event(), context.Event()
    holder = context.Process(target=_hold, args=(url, holding, go))
    holder.start()
    await asyncio.to_thread(holding.wait, 30)
    await anext(report)
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        while True:
            start = time.perf_counter()
            await asyncio.sleep(TICK)
            # All of the time between two turns: a stall begins while this very task sleeps.
            longest = max(longest, time.perf_counter() - start - TICK)

    watcher = asyncio.create_task(watch())
    await asyncio.sleep(10 * TICK)
    go.set()
    started = time.perf_counter()
    await anext(report)
    assert time.perf_counter() - started > HELD / 2, "the report did not meet the held row"
    await asyncio.sleep(10 * TICK)
    watcher.cancel()
    await anext(report, None)
    await asyncio.to_thread(holder.join)
    return longest
