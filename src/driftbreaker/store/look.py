"""One look at a breaker, on any connection: readers need no more than this."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, CursorResult, Executable

from ..checks import check_instant
from ..clock import Clock
from ..model import Key
from ..statements import Sql, sql_for
from ..tables import Tables


class Look:
    """Statements about one breaker. Nothing here begins or ends a transaction."""

    def __init__(self, connection: Connection, sql: Sql, key: Key, clock: Clock | None) -> None:
        self.sql = sql
        self.key = key
        self._connection = connection
        self._always: dict[str, Any] = {"p_name": key.name, "p_scope": key.scope}
        if clock is not None:
            self._always["p_now"] = check_instant(clock.now(), "the clock's now()")

    @classmethod
    def at(cls, connection: Connection, tables: Tables, key: Key) -> Look:
        """Look at a breaker by the database's own clock."""
        return cls(connection, sql_for(tables, connection.dialect.name), key, None)

    def run(self, statement: Executable, **values: Any) -> CursorResult[Any]:
        """Run one statement; each value binds the parameter of its name, the breaker's key and the time are given."""
        return self._connection.execute(statement, {**self._always, **_named(values)})


def _named(values: Mapping[str, Any]) -> dict[str, Any]:
    return {f"p_{name}": value for name, value in values.items()}
