"""Listens to what a PostgreSQL database notifies of, on a connection of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql


class Ears:
    """What was heard on one channel."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def heard(self, wait: float = 0.0) -> list[Any]:
        """Return what arrived since the last call, waiting so many seconds for more."""
        # A round trip brings everything that was committed before it.
        self._connection.execute("SELECT 1")
        return [json.loads(each.payload) for each in self._connection.notifies(timeout=wait)]


@contextmanager
def listening(url: str, channel: str = "driftbreaker_changes") -> Iterator[Ears]:
    """Listen to a channel."""
    plain = url.replace("+psycopg", "").replace("+asyncpg", "")
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
        yield Ears(connection)
