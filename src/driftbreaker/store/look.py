"""One look at a breaker, on any connection: readers need no more than this."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, CursorResult, Executable
from sqlalchemy.util import immutabledict

from ..checks import check_instant
from ..clock import Clock
from ..model import Key
from ..statements import Sql, sql_for
from ..tables import Tables

# A session that streams what it reads has every statement of its connection declare a cursor on the server, and no
# statement that writes may. An immutable one is taken as it is, where a dictionary would be copied each time.
_NO_STREAM: immutabledict[str, Any] = immutabledict({"stream_results": False, "yield_per": None})


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
        bound = {**self._always, **_named(values)}
        return self._connection.execute(statement, bound, execution_options=_NO_STREAM)


def _named(values: Mapping[str, Any]) -> dict[str, Any]:
    return {f"p_{name}": value for name, value in values.items()}
