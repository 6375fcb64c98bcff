"""What a reporter says of itself, to listeners and in its log: each thing once."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from ..hooks import Event, emit

_logger = logging.getLogger("driftbreaker")


class Teller:
    """Tells of batches, and of the beginning and the end of trouble."""

    def __init__(self, keep: float) -> None:
        self._keep = keep
        self._dropped = 0
        self.is_failing = False

    def flushed(self, reports: int, breakers: int, trips: int) -> None:
        """Tell of what was committed."""
        _tell("reporter_flushed", reports=reports, breakers=breakers, trips=trips)

    def in_doubt(self, reports: int, breakers: int, error: BaseException) -> None:
        """Tell of what may have been."""
        _tell("reporter_in_doubt", reports=reports, breakers=breakers, error=_said(error))

    def dropped(self, dropped: Mapping[str, int]) -> None:
        """Tell of what was dropped since the last time, given all that ever was."""
        news = sum(dropped.values()) - self._dropped
        if news:
            self._dropped += news
            reasons = ", ".join(f"{count} {why}" for why, count in sorted(dropped.items()))
            _logger.warning("driftbreaker: the reporter dropped %d reports: in all %s", news, reasons)
            _tell("reporter_dropped", reports=news, why=dropped)

    def failed(self, error: BaseException) -> None:
        """Tell, when it begins, that something cannot be written."""
        _logger.debug("driftbreaker: the reporter could not write", exc_info=error)
        if self.is_failing:
            return
        self.is_failing = True
        notes = "".join(f" {note}" for note in getattr(error, "__notes__", ()))
        _logger.warning(
            "driftbreaker: the reporter cannot write and goes on trying: %s.%s Reports wait in memory for %g s",
            _said(error),
            notes,
            self._keep,
        )
        _tell("reporter_failing", error=_said(error))

    def succeeded(self) -> None:
        """Tell, when that is over."""
        if self.is_failing:
            self.is_failing = False
            _logger.warning("driftbreaker: the reporter writes to the database again")
            _tell("reporter_restored")


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"


def _tell(kind: str, **facts: object) -> None:
    emit([Event(kind=kind, name="", scope="", facts=facts)])
