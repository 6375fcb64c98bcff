"""What became of everything that was reported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class ReporterCounts:
    """What became of every call of `report` and `report_schema_error` in this process.

    ``reported == flushed + dropped + in_doubt + waiting``, always.

    - `flushed`: committed. Inconclusive ones change nothing in a database, and count here as well.
    - `dropped`: given up; `why_dropped` says how many for which reason: ``"too old"``, ``"no room"``, ``"closed"``.
    - `in_doubt`: the connection was lost while they were committed, or a listener of the host's failed then: written or
      not, but never written twice.
    - `waiting`: kept in memory, or being written.
    - `trips`: how many breakers they opened.
    """

    reported: int
    flushed: int
    dropped: int
    in_doubt: int
    waiting: int
    trips: int
    why_dropped: Mapping[str, int] = field(default_factory=dict)
