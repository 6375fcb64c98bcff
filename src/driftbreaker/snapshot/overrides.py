"""What a test wants a breaker to be, on every board of the process."""

from __future__ import annotations

from collections.abc import Iterator
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
        return self.name == key.name and self.scope in (None, key.scope)


class Watcher(Protocol):
    """Shows what breakers are overridden to be."""

    def overridden(self, name: str) -> None:
        """Show a breaker anew, whose override changed."""


class Overrides:
    """The overrides in force, and who is told when they change."""

    def __init__(self) -> None:
        self._in_force: tuple[_Override, ...] = ()
        self._watchers: WeakSet[Watcher] = WeakSet()

    def tell(self, watcher: Watcher) -> None:
        """Tell a watcher of every change from now on, as long as somebody else holds it."""
        self._watchers.add(watcher)

    def answer(self, key: Key) -> bool | None:
        """Return what a breaker is overridden to be; None where it is not."""
        return next((each.is_open for each in reversed(self._in_force) if each.covers(key)), None)

    @contextmanager
    def override(self, name: str, *, is_open: bool, scope: str | None = None) -> Iterator[None]:
        """Override a breaker meanwhile."""
        key = check_key(name, scope or "")
        mine = _Override(key.name, scope, check_flag(is_open, "open"))
        self._in_force += (mine,)
        self._tell(name)
        try:
            yield
        finally:
            self._in_force = tuple(each for each in self._in_force if each is not mine)
            self._tell(name)

    def _tell(self, name: str) -> None:
        for watcher in tuple(self._watchers):
            watcher.overridden(name)


overrides = Overrides()
