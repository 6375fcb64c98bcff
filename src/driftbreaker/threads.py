"""Blocking work beside an event loop, as long as there are threads."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def interpreter_ends() -> bool:
    """Return whether the main thread is done, so that only what is drained at exit still runs."""
    return not threading.main_thread().is_alive()


async def in_thread(work: Callable[[], T]) -> T:
    """Do blocking work in a thread; at the interpreter's end, where no new one is to be had, here."""
    if interpreter_ends():
        return work()
    context = contextvars.copy_context()
    try:
        done = asyncio.get_running_loop().run_in_executor(None, context.run, work)
    except RuntimeError:
        # Threads are refused a moment before the main one counts as done. Nothing has run yet.
        return work()
    return await done
