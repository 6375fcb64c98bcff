"""What a test wants a breaker to be, on every board of the process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol
from weakref import WeakSet

from ..checks import check_flag, check_key
from ..model import Key


@dataclass(frozen=True, eq=False)
class _Override:
    name: str
    scope: str | None
    is_open: bool

    def covers(self, key: Key) -> bool:
        if self.name != key.name:
            return False
        # While the whole is open, every scope of it is.
        everywhere = self.scope is None or (self.scope == "" and self.is_open)
        return everywhere or self.scope == key.scope


class Watcher(Protocol):
    """Shows what breakers are overridden to be."""

    def overridden(self, name: str) -> None:
        """Show a breaker anew, whose override changed."""


class Overrides:
    """The overrides in force, and who is told when they change."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._in_force: tuple[_Override, ...] = ()
        self._watchers: WeakSet[Watcher] = WeakSet()

    def tell(self, watcher: Watcher) -> None:
        """Tell a watcher of every change from now on, as long as somebody else holds it."""
        with self._lock:
            self._watchers.add(watcher)

    def answer(self, key: Key) -> bool | None:
        """Return what a breaker is overridden to be; None where it is not."""
        return next((each.is_open for each in reversed(self._in_force) if each.covers(key)), None)

    @contextmanager
    def override(self, name: str, *, is_open: bool, scope: str | None = None) -> Iterator[None]:
        """Override a breaker meanwhile."""
        key = check_key(name, "" if scope is None else scope)
        mine = _Override(key.name, scope, check_flag(is_open, "open"))
        try:
            self._change(key.name, lambda in_force: (*in_force, mine))
            yield
        finally:
            self._change(key.name, lambda in_force: tuple(each for each in in_force if each is not mine))

    def _change(self, name: str, change: Callable[[tuple[_Override, ...]], tuple[_Override, ...]]) -> None:
        with self._lock:
            self._in_force = change(self._in_force)
            watchers = tuple(self._watchers)
        for watcher in watchers:
            watcher.overridden(name)


overrides = Overrides()
