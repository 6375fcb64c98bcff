"""What a hot path holds: one breaker's answer in a plain attribute."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ..errors import CannotTellError
from ..model import Basis, Key
from .outage import Outage

if TYPE_CHECKING:
    from .snapshot import Snapshot


class Handle:
    """One breaker in the process's snapshot. `Switchboard.handle` makes it; keep it, and read `is_open` as you like.

    - `is_open`: whether the breaker, or the whole that it is a scope of, is open. A plain attribute, kept up to date by
      the switchboard's threads: reading it costs nanoseconds, calls nothing, and never raises. Do not write it.
    - `generation`, `version`: of the breaker's own row, as last read; None until it was. Read `generation` *before*
      `is_open` to admit a call: a report that carries it then never counts for a later time than it was admitted in.
    - `basis`: what the answer rests on: the database, the outage policy, an override, or being forced off.
    - `outage`: what the handle answers while nobody knows.
    """

    __slots__ = (
        "_snapshot",
        "basis",
        "generation",
        "is_open",
        "name",
        "outage",
        "scope",
        "version",
    )

    name: str
    scope: str
    outage: Outage
    is_open: bool
    generation: int | None
    version: int | None
    basis: Basis

    def __init__(self, snapshot: Snapshot, key: Key, outage: Outage) -> None:
        self._snapshot = snapshot
        self.name, self.scope = key
        self.outage = outage
        self.is_open = outage.is_open
        self.generation = None
        self.version = None
        self.basis = Basis.OUTAGE

    @property
    def key(self) -> Key:
        """Name and scope."""
        return Key(self.name, self.scope)

    @property
    def age(self) -> float:
        """How many seconds ago the snapshot was known to be true; infinite before the first reading."""
        return self._snapshot.age(time.monotonic())

    def check(self) -> bool:
        """Return `is_open`; raise CannotTellError where that is the outage policy and nobody knows."""
        if self.outage.raises and self._snapshot.unknown(self, time.monotonic()):
            raise CannotTellError(f"nobody knows whether breaker {self.key} is open: {self._snapshot.why_unknown()}")
        return self.is_open

    def __repr__(self) -> str:
        state = "open" if self.is_open else "closed"
        return f"<Handle {self.key}: {state} by {self.basis}, {self.age:.3f} s old>"
