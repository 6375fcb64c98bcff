"""A host whose clock is hours wrong: every time that is compared or stored is the database's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from driftbreaker.testing import PostgresServer
from tests.support.worlds import SETTINGS, World

INSTALL = "libfaketime is not installed, without which no host's clock can be wrong: apt-get install libfaketime"
PROGRAM = """
import asyncio, json, sys
from datetime import UTC, datetime, timedelta
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from driftbreaker import AsyncCircuitBreaker

async def main(url, end):
    engine = create_async_engine(url)
    async with AsyncSession(engine) as session:
        for name in ("tripped", "by hand", "counted"):
            breaker = AsyncCircuitBreaker(session, name)
            assert await breaker.is_disabled() is False
        for _ in range(3):
            incident = await AsyncCircuitBreaker(session, "tripped").report_drift(0.5)
        await AsyncCircuitBreaker(session, "by hand").disable("why", actor="alice", until=datetime.fromisoformat(end))
        await AsyncCircuitBreaker(session, "counted").report_drift(0.5)
        await AsyncCircuitBreaker(session, "counted").report_schema_error()
        open_ = [await AsyncCircuitBreaker(session, name).is_disabled() for name in ("tripped", "by hand", "counted")]
        await session.commit()
    await engine.dispose()
    print(json.dumps({"now": datetime.now(UTC).isoformat(), "incident": incident.timestamp.isoformat(), "open": open_}))

asyncio.run(main(*sys.argv[1:]))
"""


def libfaketime() -> Path:
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")) or sorted(
        Path("/usr").glob("l*/**/faketime/libfaketime.so.1")
    )
    if not found:
        pytest.fail(INSTALL)
    return found[0]


def run_with_clock(offset: timedelta, url: str, until: datetime) -> dict[str, Any]:
    hours = int(offset / timedelta(hours=1))
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM, url, until.isoformat()],
        env={
            **os.environ,
            "LD_PRELOAD": str(libfaketime()),
            "FAKETIME": f"{hours:+d}h",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",  # waiting is no matter of dates
        },
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    answer: dict[str, Any] = json.loads(run.stdout)
    assert abs(datetime.fromisoformat(answer["now"]) - datetime.now(UTC) - offset) < timedelta(minutes=1)
    return answer


@pytest.mark.parametrize("offset", [timedelta(hours=-26), timedelta(hours=-3), timedelta(hours=3), timedelta(days=400)])
@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
def test_a_wrong_host_clock_dates_nothing_and_expires_nothing(
    postgres: PostgresServer, postgres_database: str, driver: str, offset: timedelta
) -> None:
    """An hour ahead of the database's clock is an end, however long past it seems on the host."""
    from sqlalchemy import create_engine

    url = postgres.url(postgres_database, driver)
    before = datetime.now(UTC)
    until = before + timedelta(hours=1)
    answer = run_with_clock(offset, url, until)
    after = datetime.now(UTC)
    assert answer["open"] == [True, True, False]
    assert before <= datetime.fromisoformat(answer["incident"]) <= after
    world = World("psycopg", postgres.url(postgres_database), create_engine(postgres.url(postgres_database)))
    try:
        for row in world.rows("breakers"):
            assert before <= row["changed_at"] <= after
        assert world.row("tripped")["until"] - world.row("tripped")["opened_at"] == SETTINGS.ttl
        assert world.row("by hand")["until"] == until
        assert before <= world.row("counted")["last_failure_at"] <= after
        for table in ("incidents", "history"):
            for row in world.rows(table):
                assert before <= row["ts" if table == "incidents" else "at"] <= after
        with world.session() as session:
            assert world.breaker(session, "counted").get_state().schema_errors == 1
            assert world.breaker(session, "by hand").is_disabled() is True
    finally:
        world.close()
