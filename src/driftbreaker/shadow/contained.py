"""What must not reach the caller, and the one thing that must."""

from __future__ import annotations

import threading
from decimal import getcontext, setcontext
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import TypeVar

T = TypeVar("T")


class OwnThread(threading.Thread):
    """A thread of ours: nobody presses Ctrl-C in it, so that whatever is raised there stays there."""


def is_the_users(error: BaseException) -> bool:
    """Return whether an error is not the code's but the user's, who wants the program to end."""
    return isinstance(error, KeyboardInterrupt) and not isinstance(threading.current_thread(), OwnThread)


def own_decimals() -> None:
    """Give this context a copy of its rules for decimals: V1 may reckon by them, and copied contexts share them."""
    setcontext(getcontext().copy())


def unfinished(answer: object) -> str | None:
    """Return what an answer is that is yet to be run; None for every other. Asked of its type: objects may lie."""
    kind = type(answer)
    if kind is CoroutineType:
        return "a coroutine, which nobody awaits"
    if kind is GeneratorType or kind is AsyncGeneratorType:
        return "a generator: it makes its answer piece by piece"
    return None


def plain(what: str, answer: T) -> T:
    """Return what a function of the host's answered; raise TypeError where it was only begun, and warn of nothing."""
    words = unfinished(answer)
    if words is None:
        return answer
    close_quietly(answer)
    raise TypeError(f"{what} must be a plain function, and answered with {words}")


def close_quietly(running: object) -> None:
    """Close a coroutine or a generator that nobody runs any more, whatever it does about that."""
    try:
        running.close()  # type: ignore[attr-defined]
    except BaseException as error:
        if is_the_users(error):
            raise
