"""Handles by name: what every kind of switchboard is to those who only read."""

from __future__ import annotations

import time

from ..checks import check_key, check_kind
from .handle import Handle
from .outage import Outage
from .snapshot import Snapshot


class Board:
    """Hands out handles, each made at its first use and kept as long as the board."""

    def __init__(self, snapshot: Snapshot, outage: Outage) -> None:
        self._snapshot = snapshot
        self._outage = outage
        self._wholes: dict[str, Handle] = {}
        self._scoped: dict[tuple[str, str], Handle] = {}

    @property
    def age(self) -> float:
        """How many seconds ago the snapshot was known to be true; infinite before the first reading."""
        return self._snapshot.age(time.monotonic())

    def __getitem__(self, name: str) -> Handle:
        """Return the handle of a whole breaker, with the board's outage policy."""
        try:
            return self._wholes[name]
        except (KeyError, TypeError):  # TypeError: nothing that could be a name
            return self.handle(name)

    def handle(self, name: str, scope: str = "", *, outage: Outage | None = None) -> Handle:
        """Return the handle of a breaker, with an outage policy of its own or the board's.

        Touches no database; the same arguments give the same handle. Handles are kept: make no scopes without bound.
        Raises InvalidArgumentError for a name, scope or policy that cannot be.
        """
        check_kind(outage, Outage, "outage")
        key = check_key(name, scope)
        handle = self._snapshot.handle(key, outage or self._outage, time.monotonic())
        if handle.outage == self._outage:
            if scope:
                self._scoped[key] = handle
            else:
                self._wholes[name] = handle
        return handle

    def is_open(self, name: str, scope: str = "") -> bool:
        """Return whether a breaker, or the whole that it is a scope of, is open: never a query, never an error.

        The same as ``handle(name, scope).is_open``, for those who cannot keep the handle.
        """
        try:
            return self._scoped[name, scope].is_open if scope else self._wholes[name].is_open
        except (KeyError, TypeError):
            return self.handle(name, scope).is_open
