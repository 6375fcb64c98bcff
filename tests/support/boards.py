"""Switchboards of every kind of engine, and how long they take to know."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from driftbreaker import AsyncSwitchboard, CircuitBreaker, Event, Switchboard, listen

from .worlds import World, wait_for

AN_HOUR = 3_600.0
A_DAY = 86_400.0


def new_board(world: World, **options: Any) -> Any:
    """A board of this world's engine, not started."""
    kind = AsyncSwitchboard if world.is_async else Switchboard
    return kind(world.engine, **options)


@contextmanager
def started(world: World, **options: Any) -> Iterator[Any]:
    """A started board that polls once an hour unless told otherwise: what it knows within seconds, it was told."""
    board = new_board(world, **{"poll": AN_HOUR, "stale_after": A_DAY, **options})
    wait_for(world.runner, board.start)
    try:
        yield board
    finally:
        wait_for(world.runner, board.close)


def eventually(world: World, what: Callable[[], object], within: float = 10.0) -> bool:
    """Return whether something becomes true in time; an async board gets on only while its event loop runs."""
    deadline = time.monotonic() + within
    while not what():
        if time.monotonic() > deadline:
            return False
        pause(world, 0.002)
    return True


def pause(world: World, seconds: float) -> None:
    """Let time pass, and a board work."""
    if world.is_async:
        world.runner.run(asyncio.sleep(seconds))
    else:
        time.sleep(seconds)


@contextmanager
def stranger(world: World, name: str = "pricing", **options: Any) -> Iterator[CircuitBreaker]:
    """A breaker as another process has it: neither its notifications nor its events reach a board."""
    engine = create_engine(world.outside.url)
    try:
        with unheard(), Session(engine) as session:
            yield CircuitBreaker(session, name, notify=False, **options)
            if world.is_async and not world.runner.get_loop().is_running():
                # A board that stands still between two steps of a reading would keep SQLite locked.
                world.runner.run(asyncio.to_thread(session.commit))
            else:
                session.commit()
    finally:
        engine.dispose()


@contextmanager
def unheard() -> Iterator[None]:
    """Let commits of this process be those of another one: no listener hears of them."""
    from driftbreaker import hooks

    kept = hooks._listeners[:]
    hooks._listeners.clear()
    try:
        yield
    finally:
        hooks._listeners[:] = kept


class Told:
    """What a board told its listeners of itself."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    @property
    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]


@contextmanager
def told() -> Iterator[Told]:
    """Hear of every change of a board's mode meanwhile."""
    seen = Told()

    def hear(event: Event) -> None:
        if event.kind.startswith("switchboard_"):
            seen.events.append(event)

    stop = listen(hear)
    try:
        yield seen
    finally:
        stop()


@contextmanager
def logged() -> Iterator[list[str]]:
    """Collect the lines of our logger from INFO upwards."""
    lines: list[str] = []

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    logger, handler = logging.getLogger("driftbreaker"), Lines(logging.INFO)
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield lines
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
