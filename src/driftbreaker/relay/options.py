"""What a relay is set up with, and what one pass of it reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

from ..alerts import Cadence, Channel
from ..checks import (
    check_channel_name,
    check_clock,
    check_flag,
    check_kind,
    check_seconds,
    check_threshold_count,
    check_threshold_score,
    safely,
)
from ..clock import Clock
from ..errors import InvalidArgumentError
from ..hooks import Event
from ..model import Change
from ..outbox import Ledger
from ..tables import Tables, default_tables

A_DAY = 86_400.0
A_WEEK = 7 * A_DAY


@dataclass(frozen=True, kw_only=True)
class Pass:
    """What one pass did: recoveries it wrote, alerts that a channel took, that failed for now, that were parked."""

    swept: int = 0
    sent: int = 0
    failed: int = 0
    parked: int = 0

    def __add__(self, other: Pass) -> Pass:
        return Pass(
            swept=self.swept + other.swept,
            sent=self.sent + other.sent,
            failed=self.failed + other.failed,
            parked=self.parked + other.parked,
        )


class RelayOptions(TypedDict, total=False):
    """The keyword arguments that every kind of relay takes; `Relay` says what they mean."""

    resend_interval: float
    retry_base: float
    lease: float
    poll: float
    tries: int
    batch: int
    keep: float
    tables: Tables | None
    clock: Clock | None
    notify: bool


def announces_work(event: Event) -> bool:
    """Return whether something was committed that an alert may tell of, unlike a relay's own events."""
    return event.kind in frozenset(Change)


@dataclass(frozen=True, kw_only=True)
class Options:
    """The checked options of a relay; all times are in seconds."""

    channels: tuple[Channel, ...]
    ledger: Ledger
    resend_interval: float
    retry_base: float
    lease: float
    poll: float
    tries: int
    batch: int
    keep: float

    @property
    def patience(self) -> float:
        """How long one delivery may take with all its tries: well within the lease, or another relay takes over."""
        return self.lease * 0.75


def checked_options(
    channels: Sequence[Channel],
    *,
    resend_interval: float = 60.0,
    retry_base: float = 1.0,
    lease: float = 30.0,
    poll: float = 5.0,
    tries: int = 1,
    batch: int = 500,
    keep: float = A_DAY,
    tables: Tables | None = None,
    clock: Clock | None = None,
    notify: bool = True,
) -> Options:
    """Check everything that a relay is given; raise InvalidArgumentError for what cannot be."""
    check_kind(tables, Tables, "tables")
    check_clock(clock)
    return Options(
        channels=_checked_channels(channels),
        ledger=Ledger(tables or default_tables(), clock, check_flag(notify, "notify")),
        resend_interval=check_seconds(resend_interval, "resend_interval"),
        retry_base=check_threshold_score(retry_base, "retry_base"),
        lease=check_seconds(lease, "lease"),
        poll=check_seconds(poll, "poll"),
        tries=check_threshold_count(tries, "tries"),
        batch=check_threshold_count(batch, "batch"),
        keep=check_seconds(keep, "keep"),
    )


@safely
def _checked_channels(channels: Sequence[Channel]) -> tuple[Channel, ...]:
    try:
        checked = tuple(channels)
    except TypeError:
        raise InvalidArgumentError(f"channels must be a list of channels, got {type(channels).__name__}") from None
    for channel in checked:
        for method in ("send", "close"):
            if not callable(getattr(channel, method, None)):
                raise InvalidArgumentError(f"a channel must have a method {method}(), got {type(channel).__name__}")
        name = check_channel_name(getattr(channel, "name", None))
        if not isinstance(getattr(channel, "cadence", None), Cadence):
            raise InvalidArgumentError(f"the channel {name!r} must have a cadence: one of driftbreaker.Cadence")
    names = [channel.name for channel in checked]
    for name in names:
        if names.count(name) > 1:
            raise InvalidArgumentError(f"two channels are called {name!r}: give one of them another name")
    return checked
