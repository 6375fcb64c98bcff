"""Asking "may the new code run?" in a hot path: ours beside a plain attribute, and beside what others ask."""

from __future__ import annotations

import tempfile
import time
from timeit import Timer
from typing import Any

from sqlalchemy import Engine

from driftbreaker import Switchboard

from . import guards
from .rounds import Contender, Result, race

WRITTEN, TURNS = 10, 1_000
INSTALL = "apt-get install redis-server"


class _Slot:
    """What no handle can beat: an attribute in a slot, as the handle's is."""

    __slots__ = ("is_open",)

    def __init__(self) -> None:
        self.is_open = False


def slots(engine: Engine) -> list[Result]:
    """A handle's slot beside a plain one."""
    with Switchboard(engine) as board:
        return race(
            [
                _asked("a plain slotted attribute", "slot.is_open", slot=_Slot()),
                _asked("handle.is_open", "handle.is_open", limit=3.0, handle=board["pricing"]),
            ]
        )


def names(engine: Engine) -> list[Result]:
    """Asking by name beside the least that can be asked: a slot, and whether it is too old to be believed."""
    with Switchboard(engine) as board:
        return race(
            [
                _asked("a slot, time.monotonic()", "slot.is_open; now()", slot=_Slot(), now=time.monotonic),
                _asked("board.is_open(name)", "board.is_open(name)", limit=3.0, board=board, name="pricing"),
            ]
        )


def local(engine: Engine) -> list[Result]:
    """Ours beside circuitbreaker's decorator and all others that keep their state in the process."""
    with tempfile.TemporaryDirectory() as folder, Switchboard(engine) as board:
        return race(
            [
                _asked("circuitbreaker, around a no-op", "guard()", guard=guards.decorated()),
                *_ours(board, limit=0.35),
                *(_asked(name, "guard()", turns=100, guard=guard) for name, guard in guards.in_memory(folder).items()),
            ]
        )


def shared(engine: Engine, conninfo: str) -> tuple[list[Result], str]:
    """Ours beside the others that processes share; and what to install for those that are missing."""
    with Switchboard(engine) as board, guards.on_redis() as on_redis:
        peers = {**guards.on_postgres(conninfo), **(on_redis or {})}
        # No loop of their own: most of them ask a server each time, beside which a call is nothing.
        others = [Contender(name, guard) for name, guard in peers.items()]
        missing = "" if on_redis else f"pybreaker and interlock on Redis: {INSTALL}"
        return race([*_ours(board), *others], rounds=20), missing


def _ours(board: Switchboard, limit: float | None = None) -> list[Contender]:
    return [
        _asked("board.is_open(name)", "board.is_open(name)", limit=limit, board=board, name="pricing"),
        _asked("handle.is_open", "handle.is_open", handle=board["pricing"]),
    ]


def _asked(title: str, ask: str, /, *, limit: float | None = None, turns: int = TURNS, **names: Any) -> Contender:
    """Return a contender that asks many times in one run.

    All are asked in the same loop, the one that `timeit` writes: a call of each would cost more than the attribute
    that is read in it, and ten askings are written out in each turn, that the loop itself may count for little.
    """
    # Locals of the loop, as they would be the caller's: a global costs more to look up.
    locals_ = "; ".join(f"{name} = _{name}" for name in names)
    timer = Timer("; ".join([ask] * WRITTEN), locals_, globals={f"_{name}": value for name, value in names.items()})
    return Contender(title, lambda: timer.timeit(turns), limit, times=WRITTEN * turns)
