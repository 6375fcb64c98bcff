"""What lives long and has threads, told of the host's forks."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Protocol
from weakref import WeakSet


class Forked(Protocol):
    """Survives a fork: it waits for a moment in which it can be copied, and begins again in the child."""

    def before_fork(self) -> None:
        """Come to where half of nothing is done; do not wait for ever."""
        ...

    def after_fork_in_parent(self) -> None:
        """Go on."""
        ...

    def after_fork_in_child(self) -> None:
        """Begin again: the threads are not there, and the connections are the parent's."""
        ...


_told: WeakSet[Forked] = WeakSet()


def tell_of_forks(what: Forked) -> None:
    """Tell `what` of every fork from now on, as long as somebody else holds it."""
    _told.add(what)


def forget_forks(what: Forked) -> None:
    """Tell it no more."""
    _told.discard(what)


def _each(do: Callable[[Forked], None]) -> Callable[[], None]:
    def each() -> None:
        for what in tuple(_told):
            do(what)

    return each


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_each(lambda what: what.before_fork()),
        after_in_parent=_each(lambda what: what.after_fork_in_parent()),
        after_in_child=_each(lambda what: what.after_fork_in_child()),
    )
