"""A board behind PgBouncer in transaction mode: deaf, knows it, says so once, and polls."""

from __future__ import annotations

import time

import pytest

from driftbreaker.testing import PostgresServer
from tests.support.alertmanagers import always, eventually
from tests.support.pooler import CONNECT_ARGUMENTS, pooler
from tests.support.watched import announced, close_, open_, running

POLL = 0.2


@pytest.mark.parametrize("driver", ["psycopg", "psycopg-async", "asyncpg"])
def test_behind_a_transaction_pooler_it_finds_itself_deaf_and_polls(
    postgres: PostgresServer, postgres_database: str, driver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("driftbreaker.refresh.listener", "driftbreaker.aio.listener"):
        monkeypatch.setattr(f"{module}.PONG", 0.3)
    through = "asyncpg" if driver == "asyncpg" else "psycopg"
    plain = postgres.url(postgres_database)
    with pooler(postgres) as pool, announced() as said:
        url = pool.url(postgres_database, through)
        arguments = CONNECT_ARGUMENTS[through]
        with running(driver, url, poll=POLL, stale_after=5.0, connect_args=arguments) as board:
            eventually(lambda: said.kinds()["polling"] == 1, "it finds out")
            assert "a pooler in transaction mode loses them" in said.lines[-1]
            for change, is_open in ((open_, True), (close_, False)) * 3:
                change(plain, "pricing")
                began = time.monotonic()
                eventually(lambda wanted=is_open: board.board.is_open("pricing") is wanted, "it sees it")
                assert time.monotonic() - began < POLL + 1.0
            always(lambda: said.kinds() == {"fresh": 1, "polling": 1}, "it says so once", 0.6)
            said.assert_just(fresh=1, polling=1)


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
def test_where_it_listens_past_the_pooler_it_hears(
    postgres: PostgresServer, postgres_database: str, driver: str
) -> None:
    plain = postgres.url(postgres_database)
    with pooler(postgres) as pool, announced() as said:
        url, direct = pool.url(postgres_database, driver), postgres.url(postgres_database, driver)
        options = {"poll": 60.0, "stale_after": 120.0, "connect_args": CONNECT_ARGUMENTS[driver]}
        with running(driver, url, listen_on=direct, **options) as board:
            eventually(lambda: said.kinds()["listening"] == 1, "it hears")
            open_(plain, "pricing")
            eventually(lambda: board.board.is_open("pricing"), "it sees it at once")
            said.assert_just(fresh=1, listening=1)
