"""What was reported to a reporter of either kind beside what a database holds, and what the reporter said of itself."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, create_engine, make_url, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from driftbreaker import AsyncReporter, BreakerSettings, Reporter
from driftbreaker.tables import default_tables

from .alertmanagers import eventually
from .boards import logged

BAD, GOOD = 0.5, 0.1
NEVER = BreakerSettings(failure_threshold=1_000_000)
#: A call takes microseconds; what a busy machine adds is not what a database would.
AT_ONCE = 0.5
PATIENCE = 30.0
#: Both kinds of reporter, which make the same promises.
KINDS = ("thread", "task")


def engine_for(kind: str, url: str, **arguments: Any) -> Any:
    """The engine of one kind of reporter: for a task that of another driver."""
    if kind == "thread":
        return create_engine(url, **arguments)
    of_driver = dict(arguments.pop("connect_args", {}))
    if "connect_timeout" in of_driver:
        of_driver["timeout"] = of_driver.pop("connect_timeout")
    driver = "sqlite+aiosqlite" if "sqlite" in url else "postgresql+asyncpg"
    return create_async_engine(make_url(url).set(drivername=driver), connect_args=of_driver, **arguments)


class Looped:
    """An `AsyncReporter` in the event loop of a thread, spoken to as to the other kind."""

    def __init__(self, engine: AsyncEngine, **options: Any) -> None:
        self._engine = engine
        self._target = AsyncReporter(engine, **options)
        self.loop = asyncio.new_event_loop()
        self._thread: threading.Thread | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._target, name)

    def start(self) -> None:
        async def start() -> None:
            self._target.start()

        self.wait_for(start())

    def flush(self) -> bool:
        return bool(self.wait_for(self._target.flush()))

    def close(self, timeout: float = 10.0) -> None:
        self.wait_for(self._target.close(timeout))

    def wait_for(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Do something in the event loop, which begins with that."""
        if self._thread is None:
            self._thread = threading.Thread(target=self.loop.run_forever, name="host's loop", daemon=True)
            self._thread.start()
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(PATIENCE)

    def end(self) -> None:
        """End the event loop, and what a test has left in it."""
        self.wait_for(self._engine.dispose())
        self.wait_for(cancel_all())
        self.loop.call_soon_threadsafe(self.loop.stop)
        assert self._thread is not None
        self._thread.join(PATIENCE)
        self.loop.close()


async def hold(engine: AsyncEngine) -> AsyncConnection:
    """Take a connection."""
    return await engine.connect()


async def cancel_all() -> None:
    """Cancel all tasks but this one, as a host does that ends."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class Desk:
    """A reporter, all that was reported to it, and a way in of one's own to see what became of it."""

    def __init__(self, reporter: Any, outside: Engine, lines: list[str]) -> None:
        self.reporter = reporter
        self.outside = outside
        self.lines = lines
        self.calls = 0
        self.slowest = 0.0

    def report(self, *names: str, times: int = 1, score: float = BAD) -> None:
        """Report on each breaker so many times; every call is timed."""
        for _ in range(times):
            for name in names or ("pricing",):
                began = time.perf_counter()
                self.reporter.report(name, score)
                self.slowest = max(self.slowest, time.perf_counter() - began)
                self.calls += 1

    @contextmanager
    def connected(self, engine: Any) -> Iterator[None]:
        """Hold a connection of the reporter's own engine."""
        if isinstance(engine, Engine):
            with engine.connect():
                yield
            return
        connection = self.reporter.wait_for(hold(engine))
        yield
        self.reporter.wait_for(connection.close())

    def disconnect(self, engine: Any) -> None:
        """Close the connections in the reporter's own pool."""
        engine.dispose() if isinstance(engine, Engine) else self.reporter.wait_for(engine.dispose())

    def failures(self) -> dict[str, int]:
        """What the rows count."""
        breakers = default_tables().breakers
        with self.outside.connect() as connection:
            return {row.name: row.failures for row in connection.execute(select(breakers))}

    def assert_counts_are_exact(self) -> None:
        counts = self.reporter.counts
        assert counts.reported == self.calls
        assert counts.reported == counts.flushed + counts.dropped + counts.in_doubt + counts.waiting
        assert counts.dropped == sum(counts.why_dropped.values())

    def assert_all_is_there(self, *, patience: float = 15.0) -> None:
        """Everything that waits is written in time, once; only what is in doubt may be there or not."""
        eventually(lambda: self.reporter.counts.waiting == 0, "all is written", patience)
        self.assert_counts_are_exact()
        counts = self.reporter.counts
        assert counts.flushed <= sum(self.failures().values()) <= counts.flushed + counts.in_doubt

    def assert_it_was_told_of_once(self) -> None:
        """One line when it began, and one when it was over."""
        begins, ends = "the reporter cannot write and goes on trying", "the reporter writes to the database again"
        assert len(self.lines) == 2, self.lines
        assert begins in self.lines[0]
        assert ends in self.lines[1]


@contextmanager
def reporting(engine: Engine | AsyncEngine, outside: str, *, started: bool = True, **options: Any) -> Iterator[Desk]:
    """A reporter on an engine, of that engine's kind, and a second way in that no fault touches."""
    options = {"interval": 0.02, "default": NEVER, **options}
    default = options.pop("default")
    reporter: Any = Reporter(engine, **options) if isinstance(engine, Engine) else Looped(engine, **options)
    getattr(reporter, "_target", reporter)._default = default
    own = create_engine(outside, poolclass=NullPool)
    with logged() as lines:
        try:
            if started:
                reporter.start()
            yield Desk(reporter, own, lines)
        finally:
            reporter.close()
            own.dispose()
            reporter.end() if isinstance(reporter, Looped) else engine.dispose()
