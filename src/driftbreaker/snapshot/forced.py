"""Breakers that one process keeps open whatever the database says, and even when it is gone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import translate

FORCE_OFF = "DRIFTBREAKER_FORCE_OFF"


@dataclass(frozen=True)
class ForcedOff:
    """Patterns of names, as the shell has them (``payments/*``): what matches one is open, in every scope."""

    patterns: tuple[str, ...] = ()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> ForcedOff:
        """Read the patterns from ``DRIFTBREAKER_FORCE_OFF``: separated by commas, blanks around them ignored."""
        parts = (part.strip() for part in environment.get(FORCE_OFF, "").split(","))
        return cls(tuple(part for part in parts if part))

    def __contains__(self, name: str) -> bool:
        return any(re.fullmatch(translate(pattern), name) for pattern in self.patterns)

    def __str__(self) -> str:
        return ", ".join(self.patterns)
