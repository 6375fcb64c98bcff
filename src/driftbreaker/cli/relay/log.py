"""What a relay says while it runs: a change of mode, an alert that was taken or parked, and never each send."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from driftbreaker import Event, listen
from driftbreaker.cli.text import plain

Tell = Callable[[str], None]
_SENTENCES = {
    "alert_sent": "{channel}: {state}: {breaker}",
    "alert_parked": "{channel}: refused, and parked until it changes: {state}: {breaker}: {error}",
    "recover": "recovered by itself: {breaker}",
}


@contextmanager
def logging_to(tell: Tell, hear: Callable[[Event], None] | None = None) -> Iterator[None]:
    """Tell, line by line, what the relay logs and what happens; `hear` gets the events themselves instead."""
    logger = logging.getLogger("driftbreaker")
    handler = _Lines(tell)
    before = (logger.level, logger.propagate)
    logger.addHandler(handler)
    logger.setLevel(logging.WARNING)
    # Python's last resort would say everything twice, with tracebacks.
    logger.propagate = False
    stop_listening = listen(_unbreakable(hear or (lambda event: _tell_event(tell, event))))
    try:
        yield
    finally:
        stop_listening()
        logger.removeHandler(handler)
        logger.setLevel(before[0])
        logger.propagate = before[1]


def document_of(event: Event) -> dict[str, Any]:
    """Return an event as plain data."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "event": event.kind,
        "breaker": event.name,
        "scope": event.scope,
        **{name: _first_line(fact) if name == "error" else _plain_data(fact) for name, fact in event.facts.items()},
    }


def _first_line(text: str) -> str:
    # What a database says goes on for lines, with the statement and all its values.
    return next(iter(text.splitlines()), "")


def _plain_data(fact: object) -> object:
    return fact if isinstance(fact, str | int | float | None) else str(fact)


def _tell_event(tell: Tell, event: Event) -> None:
    sentence = _SENTENCES.get(event.kind)
    if sentence is not None:
        breaker = f"{event.name} ({event.scope})" if event.scope else event.name
        facts = {name: plain(str(fact)) for name, fact in event.facts.items()}
        tell(_stamped(sentence.format(**facts, breaker=plain(breaker))))


def _unbreakable(hear: Callable[[Event], None]) -> Callable[[Event], None]:
    """A relay goes on when nobody reads what it says any more."""

    def heard(event: Event) -> None:
        try:
            hear(event)
        except OSError:
            return

    return heard


class _Lines(logging.Handler):
    """Tells each record on one line, without its traceback."""

    def __init__(self, tell: Tell) -> None:
        super().__init__(logging.WARNING)
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        """Tell one record."""
        said = record.getMessage().removeprefix("driftbreaker: ")
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            said += f": {type(error).__name__}: {error}"
        try:
            self._tell(_stamped(plain(_first_line(said))))
        except OSError:
            return


def _stamped(line: str) -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {line}"
