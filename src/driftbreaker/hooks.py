"""Listeners: told what happened after the caller's outermost commit, each on its own, best effort."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .checks import check_callable

_logger = logging.getLogger("driftbreaker")
_listeners: list[Callable[[Event], object]] = []
#: What is noted on an error of a listener's that is no mere Exception: whoever emits lets it through.
RAISED_BY_A_LISTENER = "Raised by a listener of driftbreaker."


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened to a breaker: ``kind`` is a `Change`'s value, ``"warning"``, or ``"shadow_expired"``."""

    kind: str
    name: str
    scope: str
    facts: Mapping[str, Any] = field(default_factory=dict)


def listen(listener: Callable[[Event], object]) -> Callable[[], None]:
    """Call `listener` with every event of this process whose transaction committed.

    Events are dropped on rollback. A listener that raises is logged and disturbs neither the caller nor the other
    listeners; it must not use the session that just committed. Events are a convenience: counts that must be exact
    come from the tables. Returns a function that removes the listener. Raises InvalidArgumentError for what cannot be
    called.
    """
    check_callable(listener, "listener")
    _listeners.append(listener)
    listening = True

    def remove() -> None:
        nonlocal listening
        if listening:
            listening = False
            # By identity: equality is the host's, and may say or raise anything.
            place = next(place for place, each in enumerate(_listeners) if each is listener)
            del _listeners[place]

    return remove


def emit(events: Iterable[Event]) -> None:
    """Tell every listener; raises no Exception."""
    for event in events:
        _logger.debug("breaker %r scope %r: %s", event.name, event.scope, event.kind)
        for listener in tuple(_listeners):
            try:
                listener(event)
            except Exception:
                _logger.exception("a listener of driftbreaker failed on %s of breaker %r", event.kind, event.name)
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                # It may be a signal's, which only happened to come here: the caller decides.
                error.add_note(RAISED_BY_A_LISTENER)
                raise


def raised_by_a_listener(error: BaseException) -> bool:
    """Return whether an error that `emit` let through came out of a listener."""
    return RAISED_BY_A_LISTENER in getattr(error, "__notes__", ())
