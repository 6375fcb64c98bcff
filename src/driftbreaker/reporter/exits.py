"""The process's end, of which those are told that have something left to write."""

from __future__ import annotations

import atexit
import sys
from collections.abc import Callable
from typing import Any


def tell_of_the_end(call: Callable[[], object]) -> None:
    """Call this when the interpreter exits; once, however often it is asked for."""
    tell_no_more(call)
    atexit.register(call)


def tell_of_a_childs_end(call: Callable[[], object]) -> None:
    """Call this when this process ends, if it is a child of multiprocessing's: those have no interpreter's exit."""
    process: Any = sys.modules.get("multiprocessing.process")  # which the program need not have imported
    if process is not None and process.parent_process() is not None:
        util: Any = sys.modules["multiprocessing.util"]
        util.Finalize(None, call, exitpriority=0)


def tell_no_more(call: Callable[[], object]) -> None:
    """Do not call this when the interpreter exits."""
    atexit.unregister(call)
