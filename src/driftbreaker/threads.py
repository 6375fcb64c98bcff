"""Blocking work beside an event loop, as long as there are threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def interpreter_ends() -> bool:
    """Return whether the main thread is done, so that only what is drained at exit still runs."""
    return not threading.main_thread().is_alive()


async def in_thread(work: Callable[[], T]) -> T:
    """Do blocking work in a thread; at the interpreter's end, where no new one is to be had, here."""
    return work() if interpreter_ends() else await asyncio.to_thread(work)
