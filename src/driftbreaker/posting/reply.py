"""What a receiver's answer means for what was sent: taken, try again, or never."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from ..alerts import ACCEPTED, Outcome, Result
from ..clean import clean_text

MAX_RETRY_AFTER = 3_600.0
MAX_TEXT = 500
# Misconfigurations that somebody fixes, and what passes by itself. Every other 4xx is about the body.
_FOR_NOW = frozenset({401, 403, 404, 405, 407, 408, 425, 429})
_HINTS = {
    401: "check username, password or token",
    403: "check username, password or token",
    404: "check the URL's path prefix",
    405: "check the URL",
    407: "check the proxy's credentials",
}
_BLANK = re.compile("[\\s\x00-\x1f\x7f]+")


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What came back: a status and the beginning of a text, or no status and why there is none.

    `error` is free of secrets. The `text` of an accepted reply is as it came.
    """

    status: int | None
    text: str = field(repr=False)
    retry_after: float | None = None
    elsewhere: str | None = None

    @property
    def accepted(self) -> bool:
        """Whether the receiver took it."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def refused(self) -> bool:
        """Whether the receiver will never take this body."""
        return self.status is not None and 400 <= self.status < 500 and self.status not in _FOR_NOW

    @property
    def error(self) -> str:
        """What went wrong, in one line that says what to do where we know."""
        if self.accepted:
            return ""
        if self.status is None:
            return self.text
        if 300 <= self.status < 400:
            where = f", which is at {self.elsewhere}" if self.elsewhere else ""
            return f"answered {self.status}, and redirects are not followed: configure the final URL{where}"
        hint = f" ({_HINTS[self.status]})" if self.status in _HINTS else ""
        text = one_line(self.text)
        return f"answered {self.status}{hint}{': ' if text else ''}{text}"


def outcome_of(reply: Reply, who: str, body: str) -> Outcome:
    """Judge one reply of `who` to `body`, which is kept when it was refused."""
    if reply.accepted:
        return ACCEPTED
    error = f"{who} {reply.error}"
    if reply.refused:
        return Outcome(result=Result.REFUSED, error=error, body=body)
    return Outcome(result=Result.FAILED, error=error, retry_after=reply.retry_after)


def one_line(text: str) -> str:
    """Return text for a log line or a table cell: no line breaks, no control characters, not long."""
    return clean_text(_BLANK.sub(" ", text[: 4 * MAX_TEXT]).strip(), MAX_TEXT)


def origin_of(location: str | None) -> str | None:
    """Return scheme and host of a Location: its path, query and userinfo may be secret. None for this very host."""
    try:
        parts = urlsplit(location or "")
        if not parts.hostname:
            return None
        scheme = f"{parts.scheme}://" if parts.scheme else ""
        return one_line(scheme + parts.netloc.rpartition("@")[2])
    except ValueError:
        return None


def retry_after(value: str | None, date: str | None, now: datetime | None = None) -> float | None:
    """Read a Retry-After, seconds or an HTTP date, as seconds from 0 to an hour; None for what is neither.

    A date is compared with the receiver's own `date` where it sent one: clocks differ.
    """
    if value is None:
        return None
    seconds = _seconds(value)
    if seconds is None and (until := _http_date(value)) is not None:
        seconds = (until - (_http_date(date or "") or now or datetime.now(UTC))) / timedelta(seconds=1)
    return None if seconds is None else min(max(seconds, 0.0), MAX_RETRY_AFTER)


def _seconds(value: str) -> float | None:
    try:
        seconds = float(value)
    except ValueError:
        return None
    return None if math.isnan(seconds) else seconds


def _http_date(value: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(value)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
