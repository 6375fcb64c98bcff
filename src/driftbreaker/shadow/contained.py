"""What must not reach the caller, and the one thing that must."""

from __future__ import annotations

import threading


class OwnThread(threading.Thread):
    """A thread of ours: nobody presses Ctrl-C in it, so that whatever is raised there stays there."""


def is_the_users(error: BaseException) -> bool:
    """Return whether an error is not the code's but the user's, who wants the program to end."""
    return isinstance(error, KeyboardInterrupt) and not isinstance(threading.current_thread(), OwnThread)


def close_quietly(running: object) -> None:
    """Close a coroutine or a generator that nobody runs any more, whatever it does about that."""
    try:
        running.close()  # type: ignore[attr-defined]
    except BaseException as error:
        if is_the_users(error):
            raise
