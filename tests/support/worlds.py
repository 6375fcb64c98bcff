"""A world is one database, one driver and the doors into it; the suite looks at it from outside as well."""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine, create_engine, event, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from driftbreaker import (
    AsyncCircuitBreaker,
    AsyncRelay,
    AsyncReporter,
    BreakerSettings,
    CircuitBreaker,
    Relay,
    Reporter,
)
from driftbreaker.costsim import CircuitBreaker as CostSimBreaker
from driftbreaker.tables import default_tables

TABLES = default_tables()
DRIVERS = ("sqlite", "aiosqlite", "psycopg", "psycopg-async", "asyncpg")
ASYNC_DRIVERS = ("aiosqlite", "psycopg-async", "asyncpg")
# A run on another version may take some of them, for time's sake; the suite itself takes all.
CHOSEN = tuple(os.environ.get("DRIFTBREAKER_DRIVERS", ",".join(DRIVERS)).split(","))
SETTINGS = BreakerSettings()


class Blocking:
    """Calls an object's methods and waits for those that are awaited: one suite speaks to both kinds of doors."""

    def __init__(self, runner: asyncio.Runner, target: Any) -> None:
        self._runner = runner
        self.target = target

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.target, name)
        if not callable(found):
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            return wait_for(self._runner, found, *args, **kwargs)

        return call


def wait_for(runner: asyncio.Runner, function: Any, *args: Any, **kwargs: Any) -> Any:
    """Call a function, a coroutine function, or what answers with an awaitable, and return what it comes to."""

    async def wait(result: Any) -> Any:
        return await result

    result = function(*args, **kwargs)
    return runner.run(wait(result)) if inspect.isawaitable(result) else result


@dataclass
class Seen:
    """What was sent while somebody watched."""

    statements: list[str] = field(default_factory=list)
    endings: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.statements)


class World:
    """One database through one driver. `url` opens it for the tests, `outside` is a second, synchronous way in."""

    def __init__(self, driver: str, url: str, outside: Engine, **options: Any) -> None:
        self.driver = driver
        self.is_async = driver in ASYNC_DRIVERS
        self.dialect = "sqlite" if "sqlite" in driver else "postgresql"
        self.outside = outside
        self.url = url
        self.runner = asyncio.Runner()
        self.engine: Any = (create_async_engine if self.is_async else create_engine)(url, **options)
        self.sync_engine: Engine = self.engine.sync_engine if self.is_async else self.engine

    def close(self) -> None:
        wait_for(self.runner, self.engine.dispose)
        self.runner.close()
        self.outside.dispose()

    # The inside: what a user has.

    @contextmanager
    def session(self, **options: Any) -> Iterator[Any]:
        kind = AsyncSession if self.is_async else Session
        session = Blocking(self.runner, kind(options.pop("bind", self.engine), **options))
        try:
            yield session
        finally:
            session.close()

    def breaker(self, session: Any, name: str = "pricing", **options: Any) -> Any:
        options.setdefault("settings", SETTINGS)
        kind = AsyncCircuitBreaker if self.is_async else CircuitBreaker
        return Blocking(self.runner, kind(session.target, name, **options))

    def relay(self, *channels: Any, **options: Any) -> Any:
        """The relay of this world's engine."""
        kind = AsyncRelay if self.is_async else Relay
        return Blocking(self.runner, kind(self.engine, channels, **options))

    def reporter(self, **options: Any) -> Any:
        """The reporter of this world's engine."""
        kind = AsyncReporter if self.is_async else Reporter
        return Blocking(self.runner, kind(self.engine, **options))

    def costsim(self, session: Any, *args: Any, **options: Any) -> Any:
        return Blocking(self.runner, CostSimBreaker(session.target, *args, **options))

    def call(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        return wait_for(self.runner, function, *args, **kwargs)

    @contextmanager
    def committed(self, name: str = "pricing", **options: Any) -> Iterator[Any]:
        """A breaker in a transaction of its own, committed at the end."""
        with self.session() as session:
            yield self.breaker(session, name, **options)
            session.commit()

    # The outside: what a second connection sees.

    def rows(self, table: str) -> list[dict[str, Any]]:
        columns = getattr(TABLES, table)
        with self.outside.connect() as connection:
            return [dict(row) for row in connection.execute(select(columns).order_by(*columns.primary_key)).mappings()]

    def count(self, table: str) -> int:
        with self.outside.connect() as connection:
            return int(connection.execute(select(func.count()).select_from(getattr(TABLES, table))).scalar_one())

    def row(self, name: str = "pricing", scope: str = "") -> dict[str, Any]:
        return next(row for row in self.rows("breakers") if (row["name"], row["scope"]) == (name, scope))

    def everything(self) -> dict[str, list[dict[str, Any]]]:
        return {table: self.rows(table) for table in ("breakers", "incidents", "outbox", "history")}

    def age(self, by: timedelta) -> None:
        """Move everything that is written into the past, as if `by` had passed."""
        with self.outside.begin() as connection:
            for table in (TABLES.breakers, TABLES.incidents, TABLES.outbox, TABLES.history):
                times = [column for column in table.columns if "UTCDateTime" in type(column.type).__name__]
                for row in connection.execute(select(table)).mappings().all():
                    moved = {c.name: row[c.name] - by for c in times if isinstance(row[c.name], datetime)}
                    this = [column == row[column.name] for column in table.primary_key]
                    connection.execute(update(table).where(*this).values(moved))

    @contextmanager
    def watch(self) -> Iterator[Seen]:
        """See every statement and every transaction ending that the engine sends meanwhile."""
        seen = Seen()

        def statement(_c: Any, _cursor: Any, text: str, *_: Any) -> None:
            seen.statements.append(text)

        def ending(kind: str) -> Any:
            return lambda *_: seen.endings.append(kind)

        kinds = ("commit", "rollback", "savepoint", "release_savepoint", "rollback_savepoint")
        hooks = [("before_cursor_execute", statement), *((kind, ending(kind)) for kind in kinds)]
        for name, hook in hooks:
            event.listen(self.sync_engine, name, hook)
        try:
            yield seen
        finally:
            for name, hook in hooks:
                event.remove(self.sync_engine, name, hook)


def sync(session: Any) -> Session:
    """The synchronous session behind a blocking one."""
    return getattr(session.target, "sync_session", session.target)
