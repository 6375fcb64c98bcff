"""Does a held row stall the event loop?"""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from multiprocessing.synchronize import Event

from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

import driftbreaker
from driftbreaker import AsyncCircuitBreaker, CircuitBreaker


def longest_stall(url: str) -> float:
    """Return the longest time, in seconds, in which the loop ran nothing while a report waited for the row."""
    sync_url = url.replace("+asyncpg", "+psycopg")
    engine = create_engine(sync_url)
    driftbreaker.metadata.create_all(engine)
    with Session(engine) as session, session.begin():
        CircuitBreaker(session, "held").report_drift(0.9)
    engine.dispose()
    context = multiprocessing.get_context("spawn")
    holding = context.Event()
    holder = context.Process(target=_hold, args=(sync_url, holding))
    holder.start()
    holding.wait(30)
    stall = asyncio.run(_report_meanwhile(url))
    holder.join()
    return stall


def _hold(url: str, holding: Event) -> None:
    with Session(create_engine(url)) as session, session.begin():
        CircuitBreaker(session, "held").report_drift(0.9)
        holding.set()
        time.sleep(0.5)


async def _report_meanwhile(url: str) -> float:
    engine = create_async_engine(url)
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        while True:
            start = time.perf_counter()
            await asyncio.sleep(0)
            longest = max(longest, time.perf_counter() - start)
            await asyncio.sleep(0.0005)

    async with AsyncSession(engine) as session:
        breaker = AsyncCircuitBreaker(session, "held")
        await breaker.is_disabled()  # connects, and fills SQLAlchemy's caches
        watcher = asyncio.create_task(watch())
        await breaker.report_drift(0.9)
        watcher.cancel()
        await session.rollback()
    await engine.dispose()
    return longest
