"""Which time is meant: what people type for since when and until when."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from driftbreaker.cli.exits import Usage
from driftbreaker.cli.options import given
from driftbreaker.cli.people import is_length, length_of

_QUARTER = re.compile(r"(\d{4})-?[Qq]([1-4])")
Span = tuple[datetime | None, datetime | None]


def span_of(since: str | None, until: str | None, quarter: str | None, now: datetime) -> Span:
    """Return the first moment that is meant and the first that is not; lengths lie before `now`. Raises Usage."""
    if quarter is not None:
        if since is not None or until is not None:
            raise Usage("--quarter goes without --since and --until: which of them?")
        return _quarter(quarter.strip(), now)
    begin = None if since is None else _moment(since.strip(), now, "--since")
    end = None if until is None else _moment(until.strip(), now, "--until")
    if begin is not None and end is not None and begin >= end:
        raise Usage(f"--since {since} does not lie before --until {until}")
    return begin, end


def _moment(text: str, now: datetime, option: str) -> datetime:
    if is_length(text):
        return now - length_of(text, option)
    try:
        return _meant(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        raise Usage(f"{option} takes 2026-07-01, 2026-07-01T09:00Z or a length such as 90d, got {text!r}") from None


def _quarter(text: str, now: datetime) -> Span:
    if text.lower() == "last":
        today = now.astimezone() if given("local") else now
        number = today.year * 4 + (today.month - 1) // 3 - 1
    else:
        found = _QUARTER.fullmatch(text)
        if found is None:
            raise Usage(f"--quarter takes 2026Q3 or 'last', got {text!r}")
        number = int(found[1]) * 4 + int(found[2]) - 1
    try:
        return _begin(number), _begin(number + 1)
    except (ValueError, OverflowError):
        raise Usage(f"--quarter takes 2026Q3 or 'last', got {text!r}") from None


def _begin(quarter: int) -> datetime:
    return _meant(datetime(quarter // 4, quarter % 4 * 3 + 1, 1))  # noqa: DTZ001  which zone is meant is the question


def _meant(at: datetime) -> datetime:
    """Return a moment in UTC. What has no zone is in UTC as well, like every time that is shown, but for --local."""
    if at.tzinfo is None and not given("local"):
        return at.replace(tzinfo=UTC)
    return at.astimezone(UTC)
