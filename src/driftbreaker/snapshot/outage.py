"""What a handle answers while nobody knows: before the first reading, and when the last one is too old."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from ..checks import check_interval, check_seconds


@dataclass(frozen=True)
class Outage:
    """An outage policy: `Outage.OPEN`, `Outage.CLOSED`, `Outage.RAISE`, or `Outage.last_known(max_age)`.

    - ``OPEN``: the breaker reads as open, so that the control serves. The default.
    - ``CLOSED``: it reads as closed, so that the candidate serves, unwatched.
    - ``RAISE``: `Handle.check` raises `CannotTellError`; a plain attribute cannot, and reads as open.
    - ``last_known(max_age)``: what was read last goes on to hold, its end included, until it is older than `max_age`;
      from then on, and before anything was read, the breaker reads as open.
    """

    name: str
    is_open: bool
    raises: bool = False
    max_age: float | None = None

    OPEN: ClassVar[Outage]
    CLOSED: ClassVar[Outage]
    RAISE: ClassVar[Outage]

    @classmethod
    def last_known(cls, max_age: timedelta) -> Outage:
        """Trust what was read last for `max_age`, up to 100 years. Raises InvalidArgumentError."""
        seconds = check_seconds(check_interval(max_age, "max_age").total_seconds(), "max_age")
        return cls(f"last_known({max_age})", is_open=True, max_age=seconds)

    def trusts_for(self, stale_after: float) -> float:
        """Return for how many seconds a reading is believed, where a switchboard believes it for `stale_after`."""
        return stale_after if self.max_age is None else self.max_age

    def __repr__(self) -> str:
        return f"Outage.{self.name}"


Outage.OPEN = Outage("OPEN", is_open=True)
Outage.CLOSED = Outage("CLOSED", is_open=False)
Outage.RAISE = Outage("RAISE", is_open=True, raises=True)
