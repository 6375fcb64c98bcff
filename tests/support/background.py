"""A relay in the background of a test, on every kind of engine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .inbox import Inbox
from .worlds import Seen, World

AN_HOUR = 3600.0


@contextmanager
def in_background(world: World, *channels: Any, **options: Any) -> Iterator[Any]:
    """Start a relay that polls once an hour unless told otherwise, so that what arrives within seconds was woken."""
    relay = world.relay(*channels, **{"poll": AN_HOUR, **options})
    with world.watch() as seen:
        world.call(_start, relay.target)
        _until_quiet(world, seen)
    try:
        yield relay
    finally:
        relay.close()


def _start(relay: Any) -> Any:
    async def start() -> None:
        relay.start()

    return start() if type(relay).__name__ == "AsyncRelay" else relay.start()


def _until_quiet(world: World, seen: Seen) -> None:
    """Let the first pass end, however long a busy machine takes to begin it: twenty turns in which nothing was said."""
    said, turns = 0, 0
    deadline = time.monotonic() + 10
    while (not said or turns < 20) and time.monotonic() < deadline:
        rest(world, 0.01)
        turns = turns + 1 if len(seen.statements) == said else 0
        said = len(seen.statements)


def rest(world: World, seconds: float = 0.2) -> None:
    """Let a relay come to rest; on an async engine it runs only while its event loop does."""
    world.runner.run(asyncio.sleep(seconds))


def arrives(world: World, inbox: Inbox, count: int = 1) -> bool:
    """Return whether so many alerts arrive within ten seconds."""
    deadline = time.monotonic() + 10
    while len(inbox.alerts) < count:
        if time.monotonic() > deadline:
            return False
        world.runner.run(asyncio.sleep(0.01))
    return True
