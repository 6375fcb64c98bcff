"""Checks of arguments: each returns the value to use, or raises before anything is sent to the database."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import wraps
from numbers import Integral, Real
from typing import Any, ParamSpec, TypeGuard, TypeVar

from .clean import MAX_ACTOR, MAX_REASON, MAX_WHY, clean_text
from .errors import InvalidArgumentError, NotANumberError
from .model import Key, Verdict

MAX_NAME = 200
MAX_DOOR = 32
MAX_DATABASE_NAME = 63  # bytes
MAX_INTEGER = 2**63 - 1
# A day inside what a datetime can hold: any time zone a server may answer in still fits.
EARLIEST = datetime(1, 1, 2, tzinfo=UTC)
LATEST = datetime(9999, 12, 30, tzinfo=UTC)
MAX_TTL = timedelta(days=36_500)


P = ParamSpec("P")
T = TypeVar("T")


def safely(check: Callable[P, T]) -> Callable[P, T]:
    """Let a check refuse what cannot even be looked at: a value may raise anything when it is asked what it is."""

    @wraps(check)
    def checked(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return check(*args, **kwargs)
        except InvalidArgumentError:
            raise
        except Exception as error:
            raise InvalidArgumentError(
                f"{_shown(args[0])} is no usable argument: looking at it raised {type(error).__name__}"
            ) from error

    return checked


@safely
def check_key(name: object, scope: object) -> Key:
    """Check a breaker's name (1 to 200 characters) and scope (0 to 200), neither with NUL or lone surrogates."""
    return Key(_identifier(name, "name", 1), _identifier(scope, "scope", 0))


def _identifier(value: object, what: str, least: int) -> str:
    if not isinstance(value, str):
        raise InvalidArgumentError(f"{what} must be text of {least} to {MAX_NAME} characters, got {_shown(value)}")
    if not least <= len(value) <= MAX_NAME:
        raise InvalidArgumentError(
            f"{what} must have {least} to {MAX_NAME} characters, got {len(value)}: {_shown(value)}"
        )
    if clean_text(value, MAX_NAME) != value:
        raise InvalidArgumentError(f"{what} must not hold NUL or lone surrogates, got {_shown(value)}")
    return str.__str__(value)


@safely
def check_database_name(value: object, what: str, least: int, most: int) -> str:
    """Check a part of what the database calls things, by its bytes: PostgreSQL cuts longer names without a word."""
    if not isinstance(value, str) or clean_text(value, most) != value or not least <= len(value.encode()) <= most:
        raise InvalidArgumentError(
            f"{what} must be text of {least} to {most} bytes in UTF-8, without NUL or lone surrogates, "
            f"got {_shown(value)}"
        )
    return str.__str__(value)


@safely
def check_score(value: object, what: str = "drift_score") -> float:
    """Check a score: a finite number >= 0; values above 1 are fine."""
    score = _as_float(value, what)
    if not (math.isfinite(score) and score >= 0):
        raise InvalidArgumentError(f"{what} must be a finite number >= 0, got {_shown(value)}: nothing was counted")
    return score


@safely
def check_count(value: object, what: str, least: int) -> int:
    """Check a whole number from `least` to 2^63 - 1."""
    if not _is_number(value):
        raise NotANumberError(f"{what} must be an integer >= {least}, got {_shown(value)}")
    if not isinstance(value, Integral):
        raise InvalidArgumentError(f"{what} must be an integer >= {least}, got {_shown(value)}")
    return _in_range(int(value), what, least)


@safely
def check_threshold_count(value: object, what: str) -> int:
    """Check a threshold that counts: an integer >= 1, not a bool, at most 2^63 - 1."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise InvalidArgumentError(f"{what} must be an integer >= 1, got {_shown(value)}")
    return _in_range(int(value), what, 1)


@safely
def check_threshold_score(value: object, what: str) -> float:
    """Check a threshold of scores: a finite number >= 0 (0 is honoured)."""
    try:
        score = _as_float(value, what)
    except NotANumberError as error:
        raise InvalidArgumentError(str(error)) from None
    if not (math.isfinite(score) and score >= 0):
        raise InvalidArgumentError(f"{what} must be a finite number >= 0, got {_shown(value)}")
    return score


def check_flag(value: object, what: str) -> bool:
    """Check a yes or no: True or False, and nothing that merely looks like it."""
    if value is not True and value is not False:
        raise InvalidArgumentError(f"{what} must be True or False, got {_shown(value)}")
    return value


@safely
def check_ttl(value: object, what: str = "ttl") -> timedelta | None:
    """Check a time to live: None for none, else more than zero and at most 36,500 days."""
    if value is None:
        return None
    plain = _plain(value) if isinstance(value, timedelta) else timedelta(0)
    if not timedelta(0) < plain <= MAX_TTL:
        raise InvalidArgumentError(
            f"{what} must be a timedelta above zero and up to {MAX_TTL.days} days, or None for no end, "
            f"got {_shown(value)}"
        )
    return plain


@safely
def check_interval(value: object, what: str) -> timedelta:
    """Check an interval: any timedelta."""
    if not isinstance(value, timedelta):
        raise InvalidArgumentError(f"{what} must be a timedelta, got {_shown(value)}")
    return _plain(value)


def _plain(value: timedelta) -> timedelta:
    """Return what a database stores of an interval; subclasses (pandas.Timedelta) may carry more."""
    return timedelta(value.days, value.seconds, value.microseconds)


@safely
def check_truth(value: object) -> bool:
    """Return whether a value is true, as Python sees it."""
    return bool(value)


@safely
def check_when(value: object) -> str:
    """Check when reports are made: 'now' or 'commit'."""
    if not isinstance(value, str) or str.__str__(value) not in ("now", "commit"):
        raise InvalidArgumentError(f"when must be 'now' or 'commit', got {_shown(value)}")
    return str.__str__(value)


@safely
def check_kind(value: object, kind: type[T], what: str) -> T | None:
    """Check an option that is None or of one kind."""
    if value is None or isinstance(value, kind):
        return value
    raise InvalidArgumentError(f"{what} must be {kind.__name__}, got {type(value).__name__}")


@safely
def check_callable(value: object, what: str) -> None:
    """Check what is to be called."""
    if not callable(value):
        raise InvalidArgumentError(f"{what} must be callable, got {_shown(value)}")


@safely
def check_limit(value: object) -> int:
    """Check a limit of rows: an integer >= 0; 0 asks for nothing."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise InvalidArgumentError(f"limit must be an integer >= 0, got {_shown(value)}")
    return _in_range(int(value), "limit", 0)


@safely
def check_verdict(value: object) -> Verdict:
    """Check a verdict: 'good', 'bad' or 'inconclusive'."""
    if not isinstance(value, str) or str.__str__(value) not in set(Verdict):
        raise InvalidArgumentError(f"verdict must be 'good', 'bad' or 'inconclusive', got {_shown(value)}")
    return Verdict(str.__str__(value))


@safely
def check_generation(value: object) -> int | None:
    """Check a generation: None, or an integer >= 0 as an earlier state named it."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise InvalidArgumentError(f"generation must be an integer >= 0 or None, got {_shown(value)}")
    return _in_range(int(value), "generation", 0)


@safely
def check_seconds(value: object, what: str, least: float = 0.001) -> float:
    """Check a time in seconds: a number from `least` to 100 years."""
    seconds = check_threshold_score(value, what)
    if not least <= seconds <= MAX_TTL.total_seconds():
        raise InvalidArgumentError(f"{what} must be from {least:g} s to {MAX_TTL.days} days, got {_shown(value)}")
    return seconds


@safely
def check_channel_name(value: object) -> str:
    """Check what a channel's deliveries are recorded under: 1 to 200 characters, without NUL or lone surrogates."""
    return _identifier(value, "name", 1)


def check_present_or(value: object) -> str | None:
    """Check which incident is meant: None for the present one, or an id."""
    return None if value is None else check_incident(value)


@safely
def check_incident(value: object) -> str:
    """Check an incident's id: 1 to 36 characters."""
    if not isinstance(value, str) or not 1 <= len(value) <= 36 or clean_text(value, 36) != value:
        raise InvalidArgumentError(f"incident_id must be an incident's id, got {_shown(value)}")
    return str.__str__(value)


@safely
def check_door(value: object) -> str:
    """Check what the history calls a way in: 1 to 32 characters, without NUL or lone surrogates."""
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_DOOR or clean_text(value, MAX_DOOR) != value:
        raise InvalidArgumentError(f"door must be text of 1 to {MAX_DOOR} characters, got {_shown(value)}")
    return str.__str__(value)


def check_until(value: object, what: str = "until") -> datetime | None:
    """Check an end: None for none, else a datetime with a time zone; the past is allowed."""
    return None if value is None else check_instant(value, what)


@safely
def check_instant(value: object, what: str) -> datetime:
    """Check an instant: a datetime with a time zone, between year 1 and year 9999; returned in UTC."""
    if not isinstance(value, datetime):
        raise InvalidArgumentError(f"{what} must be a datetime with a time zone, got {_shown(value)}")
    if value.utcoffset() is None:
        raise InvalidArgumentError(
            f"{what} must have a time zone, got the naive {_shown(value)}: use datetime.now(UTC) and the like"
        )
    try:
        utc = value.astimezone(UTC)
    except OverflowError:
        utc = LATEST
    if not EARLIEST <= utc < LATEST:
        raise InvalidArgumentError(
            f"{what} must lie between {EARLIEST.date()} and {LATEST.date()} in UTC, got {_shown(value)}"
        )
    # Subclasses (pandas.Timestamp) may carry more than a database stores.
    return datetime(utc.year, utc.month, utc.day, utc.hour, utc.minute, utc.second, utc.microsecond, UTC)


def text_or(value: object, default: str) -> object:
    """Return the value, or a default for one that is missing or blank."""
    try:
        return default if value is None or (isinstance(value, str) and not str.__str__(value).strip()) else value
    except Exception:  # noqa: BLE001  it is the next check's to refuse
        return value


def check_clock(value: object) -> None:
    """Check a clock of a test's: anything with a method ``now``, or None."""
    if value is not None and not looks(lambda: callable(getattr(value, "now", None))):
        raise InvalidArgumentError(f"clock must have a method now(), got {type(value).__name__}")


def looks(question: Callable[[], bool]) -> bool:
    """Return the answer to a question about an object; one that cannot be asked is not what was looked for."""
    try:
        return bool(question())
    except Exception:  # noqa: BLE001  whatever it raises, it is none
        return False


def check_reason(value: object, what: str = "reason") -> str:
    """Check a reason: any text that is not blank; cleaned, and cut at 4,096 characters."""
    return _sentence(value, what, MAX_REASON)


def check_why(value: object) -> str:
    """Check what is said of an observation: any text that is not blank; cleaned, and cut at 1,024 characters."""
    return _sentence(value, "why", MAX_WHY)


def check_actor(value: object, what: str = "actor") -> str:
    """Check an actor: any text that is not blank; cleaned, and cut at 200 characters."""
    return _sentence(value, what, MAX_ACTOR)


@safely
def _sentence(value: object, what: str, limit: int) -> str:
    if not isinstance(value, str) or not str.__str__(value).strip():
        raise InvalidArgumentError(f"{what} must be text that is not blank, got {_shown(value)}")
    return clean_text(str.__str__(value), limit)


def _is_number(value: object) -> TypeGuard[Real | Decimal]:
    return isinstance(value, (Real, Decimal)) and not isinstance(value, bool)


def _as_float(value: object, what: str) -> float:
    if not _is_number(value):
        raise NotANumberError(f"{what} must be a finite number >= 0, got {_shown(value)}")
    try:
        return float(value)
    except (OverflowError, ValueError):
        raise InvalidArgumentError(f"{what} must be a number that fits a float, got {_shown(value)}") from None


def _in_range(number: int, what: str, least: int) -> int:
    if not least <= number <= MAX_INTEGER:
        raise InvalidArgumentError(f"{what} must be an integer from {least} to 2^63 - 1, got {_shown(number)}")
    return number


def _shown(value: Any) -> str:
    """Show a refused value in an error message, whatever it is and however long it would print."""
    try:
        text = str.__str__(repr(value))
    except Exception:  # noqa: BLE001  the message matters more than a broken repr
        text = f"<{type(value).__name__}>"
    return clean_text(text, 120)
