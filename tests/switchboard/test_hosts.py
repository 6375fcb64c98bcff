"""A URL of several hosts: the board goes to whichever answers, as the host's own engine does."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import URL, create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from driftbreaker.testing import PostgresServer
from tests.support.boards import eventually, new_board, stranger
from tests.support.line import Line
from tests.support.worlds import World, wait_for


def of_hosts(plain: str, *ports: int) -> URL:
    url = make_url(plain)
    hosts = tuple(f"127.0.0.1:{port}" for port in ports)
    return URL.create(url.drivername, username=url.username, database=url.database, query={"host": hosts})


@pytest.mark.parametrize("driver", ["psycopg", "psycopg-async", "asyncpg"])
def test_a_board_goes_on_at_the_host_that_answers(
    postgres: PostgresServer, postgres_database: str, driver: str
) -> None:
    plain = postgres.url(postgres_database, "asyncpg" if driver == "asyncpg" else "psycopg")
    port = make_url(plain).port
    assert port is not None
    world = World(driver, plain, create_engine(postgres.url(postgres_database)))
    with Line(port) as one, Line(port) as other:
        engine = (create_async_engine if world.is_async else create_engine)(of_hosts(plain, one.port, other.port))
        wait_for(world.runner, world.engine.dispose)
        world.engine = engine
        board = new_board(world, poll=0.1, stale_after=20.0)
        wait_for(world.runner, board.start)
        assert not board.is_open("pricing")
        assert one.accepted > 0
        one.refuse()
        one.cut()
        with stranger(world) as breaker:
            breaker.disable("off", actor="alice")
        assert eventually(world, lambda: board.is_open("pricing"), within=15)
        assert other.accepted > 0
        wait_for(world.runner, board.close)
        wait_for(world.runner, engine.dispose)
        world.runner.run(asyncio.sleep(0))
    world.close()
