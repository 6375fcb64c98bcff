"""A breaker that holds still: what is decided by what it says cannot be overtaken before it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .listing import overview
from .transition import lock, lock_or_create

if TYPE_CHECKING:
    from .joined import Joined
    from .listing import Overview


def lock_overview(joined: Joined, *, may_make: bool) -> Overview | None:
    """Lock a breaker's row until the transaction ends, and return what it says; None when nothing is on record of it.

    Where it `may_make` a row, an empty one is made first: who does the same at the same time waits for it.
    """
    if may_make:
        lock_or_create(joined)
    elif lock(joined) is None:
        return None
    return overview(joined)
