"""What a switchboard is set up with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

from ..checks import check_clock, check_flag, check_kind, check_seconds
from ..clock import Clock
from ..errors import InvalidArgumentError
from ..snapshot import Outage
from ..tables import Tables, default_tables


class SwitchboardOptions(TypedDict, total=False):
    """The keyword arguments that every kind of switchboard takes; `Switchboard` says what they mean."""

    outage: Outage | None
    poll: float
    stale_after: float
    listen: bool
    tables: Tables | None
    clock: Clock | None


@dataclass(frozen=True, kw_only=True)
class Options:
    """The checked options of a switchboard; all times are in seconds."""

    outage: Outage
    poll: float
    stale_after: float
    listen: bool
    tables: Tables
    clock: Clock | None


def checked_options(
    *,
    outage: Outage | None = None,
    poll: float = 1.0,
    stale_after: float = 10.0,
    listen: bool = True,
    tables: Tables | None = None,
    clock: Clock | None = None,
) -> Options:
    """Check everything that a switchboard is given; raise InvalidArgumentError for what cannot be."""
    check_kind(outage, Outage, "outage")
    check_kind(tables, Tables, "tables")
    check_clock(clock)
    poll, stale_after = check_seconds(poll, "poll"), check_seconds(stale_after, "stale_after")
    if stale_after <= poll:
        raise InvalidArgumentError(
            f"stale_after must be longer than poll, got {stale_after:g} s and {poll:g} s: "
            "what is read every poll would be distrusted before it is read again"
        )
    return Options(
        outage=outage or Outage.OPEN,
        poll=poll,
        stale_after=stale_after,
        listen=check_flag(listen, "listen"),
        tables=tables or default_tables(),
        clock=clock,
    )
