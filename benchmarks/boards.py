"""What a board costs where there are many breakers: a refresh, and a handle's memory."""

from __future__ import annotations

import gc
import tracemalloc

import psycopg
from sqlalchemy import Engine, text

from driftbreaker import Switchboard

from .rounds import Contender, Result, race

BREAKERS, OPEN = 100_000, 100
OPEN_SET = (
    "SELECT name, scope, status, until, auto_recover, generation, version"
    " FROM driftbreaker_breakers WHERE status <> 'closed'"
)


def refreshes(engine: Engine, conninfo: str) -> list[Result]:
    """A refresh beside the driver's own reading of the same open set."""
    _fill(engine)
    with psycopg.connect(conninfo, autocommit=True) as connection, Switchboard(engine) as board:
        handles = [board[f"many-{number}"] for number in range(0, BREAKERS, BREAKERS // OPEN)]
        cursor = connection.cursor()
        results = race(
            [
                Contender("raw driver: SELECT of the open", lambda: cursor.execute(OPEN_SET, prepare=True).fetchall()),
                Contender("board.refresh()", board.refresh, 4.0),
            ]
        )
        assert all(handle.is_open for handle in handles), "a refresh did not tell a handle"
        return results


def _fill(engine: Engine) -> None:
    rows = text(
        "INSERT INTO driftbreaker_breakers"
        " (name, status, opened_at, until, reason, actor, generation, version, changed_at)"
        f" SELECT 'many-' || n, CASE n % {BREAKERS // OPEN} WHEN 0 THEN 'open' ELSE 'closed' END,"
        f" now(), now() + interval '1 day', 'bench', 'bench', 1, 1, now() FROM generate_series(0, {BREAKERS - 1}) n"
    )
    with engine.begin() as connection:
        connection.execute(rows)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE driftbreaker_breakers"))


def handle_bytes(engine: Engine) -> float:
    """Return what one of many handles takes, with its share of the board's own books."""
    names = [f"handle-{number}" for number in range(BREAKERS)]
    with Switchboard(engine) as board:
        # The names and this list are the caller's.
        handles: list[object] = [None] * BREAKERS
        gc.collect()
        tracemalloc.start()
        for place, name in enumerate(names):
            handles[place] = board[name]
        taken, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return taken / BREAKERS
