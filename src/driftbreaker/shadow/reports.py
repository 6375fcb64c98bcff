"""What a shadow needs of others: a board to ask, a reporter to tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from ..model import Verdict
from ..settings import BreakerSettings


class Reports(Protocol):
    """Takes observations, and returns at once; `driftbreaker.testing.MemoryReporter` is one."""

    def report(
        self,
        name: str,
        score: float | None,
        *,
        scope: str = "",
        verdict: Verdict | str | None = None,
        generation: int | None = None,
        details: Mapping[str, Any] | None = None,
        samples: int = 1,
        why: str | None = None,
    ) -> None:
        """Take one observation. Without a verdict the score is judged by the settings of the name."""
        ...

    def report_schema_error(
        self,
        name: str,
        count: int = 1,
        *,
        scope: str = "",
        generation: int | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """Take answers of the wrong shape."""
        ...

    def use(self, name: str, settings: BreakerSettings) -> None:
        """Judge a name by these settings; raise InvalidArgumentError where it has others already."""
        ...


class Gate(Protocol):
    """One breaker's answer, as a `Handle` has it."""

    @property
    def is_open(self) -> bool:
        """Whether it is open."""
        ...

    @property
    def generation(self) -> int | None:
        """The breaker's, as last read."""
        ...


class Gates(Protocol):
    """Hands out handles, as every `Board` does."""

    def handle(self, name: str, scope: str = "") -> Gate:
        """Return the handle of a breaker; raise InvalidArgumentError for a scope that cannot be."""
        ...
