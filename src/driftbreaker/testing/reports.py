"""A reporter without a database, for tests of what the host compares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..checks import check_count, check_generation, check_key, check_kind, check_score
from ..clean import clean_details
from ..errors import InvalidArgumentError
from ..model import Key, Verdict
from ..policy import judge
from ..settings import BreakerSettings

_DEFAULT = BreakerSettings()


@dataclass(frozen=True, kw_only=True)
class MemoryReport:
    """One report: an observation with its verdict, or `schema_errors` answers of the wrong shape, which have none."""

    name: str
    scope: str = ""
    score: float | None = None
    verdict: Verdict | None = None
    generation: int | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    samples: int = 1
    why: str | None = None
    schema_errors: int = 0


class MemoryReporter:
    """Stands in for a reporter where there is no database: it keeps what it is told, and judges it as the real one.

        reporter = MemoryReporter()
        reporter.report("pricing", 0.3)
        assert reporter.reports[0].verdict == "bad"

    - `settings`: of breakers by their names; the others have `BreakerSettings()`.

    Starting, flushing and closing it do nothing, so that it can be handed to whoever does that.
    """

    def __init__(self, settings: Mapping[str, BreakerSettings] | None = None) -> None:
        self.reports: list[MemoryReport] = []
        self._settings: dict[str, BreakerSettings] = {}
        self._keys: dict[tuple[str, str], Key] = {}
        for name, each in (settings or {}).items():
            self.use(name, each)

    def use(self, name: str, settings: BreakerSettings) -> None:
        """Judge a name's reports by these settings from here on.

        Raises InvalidArgumentError where the name has others already.
        """
        name = check_key(name, "").name
        if check_kind(settings, BreakerSettings, "settings") is None:
            raise InvalidArgumentError("settings must be BreakerSettings, got None")
        if self._settings.setdefault(name, settings) != settings:
            raise InvalidArgumentError(f"breaker {name!r} has other settings already in this reporter: use the same")

    def settings_of(self, name: str) -> BreakerSettings:
        """Return the settings by which a name's reports are judged."""
        return self._settings.get(name, _DEFAULT)

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
        """Keep an observation. Without a verdict the score is judged; without a score there must be a verdict.

        Raises InvalidArgumentError.
        """
        key = self._key(name, scope)
        number = None if score is None and verdict is not None else check_score(score, "score")
        self.reports.append(
            MemoryReport(
                name=key.name,
                scope=key.scope,
                score=number,
                verdict=self._verdict(key.name, number, verdict),
                generation=check_generation(generation),
                details=clean_details(details) if details else {},
                samples=1 if samples == 1 else check_count(samples, "samples", 1),
                why=why,
            )
        )

    def report_schema_error(
        self,
        name: str,
        count: int = 1,
        *,
        scope: str = "",
        generation: int | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """Keep `count` answers of the wrong shape; 0 is a no-op. Raises InvalidArgumentError."""
        key = self._key(name, scope)
        if check_count(count, "count", 0):
            self.reports.append(
                MemoryReport(
                    name=key.name,
                    scope=key.scope,
                    schema_errors=count,
                    generation=check_generation(generation),
                    details=clean_details(details),
                )
            )

    def _key(self, name: str, scope: str) -> Key:
        try:
            return self._keys[name, scope]
        except (KeyError, TypeError):  # TypeError: nothing that could be a name
            return self._keys.setdefault((name, scope), check_key(name, scope))

    def _verdict(self, name: str, score: float | None, verdict: Verdict | str | None) -> Verdict:
        if verdict is None:
            return judge(score or 0.0, self.settings_of(name).drift_threshold)
        try:
            return Verdict(verdict)
        except ValueError:
            raise InvalidArgumentError(f"verdict must be one of {', '.join(Verdict)}, got {verdict!r}") from None

    def start(self) -> None:
        """Nothing is to be started."""

    def flush(self) -> bool:
        """Nothing is to be written; return True."""
        return True

    def close(self, timeout: float = 10.0) -> None:
        """Nothing is kept open."""

    def __enter__(self) -> MemoryReporter:
        return self

    def __exit__(self, *_: object) -> None:
        pass
