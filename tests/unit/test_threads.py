"""Blocking work beside an event loop, up to the interpreter's very end."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from typing import Any

import pytest

from driftbreaker.threads import in_thread

WHO = contextvars.ContextVar("WHO", default="nobody")


def test_work_is_done_in_a_thread_that_knows_the_callers_context() -> None:
    async def ask() -> tuple[str, bool]:
        WHO.set("alice")
        return await in_thread(lambda: (WHO.get(), threading.current_thread() is threading.main_thread()))

    assert asyncio.run(ask()) == ("alice", False)


def test_what_the_work_raises_is_raised() -> None:
    calls = []

    def fail() -> None:
        calls.append(1)
        raise RuntimeError("its own")

    with pytest.raises(RuntimeError, match="its own"):
        asyncio.run(in_thread(fail))
    assert calls == [1]


def test_a_moment_before_the_end_where_threads_are_refused_it_is_done_here() -> None:
    """That moment cannot be had: the interpreter refuses threads while its main thread is still alive."""

    async def ask() -> bool:
        def refuse(*_: Any) -> None:
            raise RuntimeError("can't register atexit after shutdown")

        asyncio.get_running_loop().run_in_executor = refuse  # type: ignore[assignment, method-assign]
        return await in_thread(lambda: threading.current_thread() is threading.main_thread())

    assert asyncio.run(ask())
