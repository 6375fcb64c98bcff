"""What every kind of reporter is to those who report: checks, judges, and returns at once."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from typing import Any

from ..checks import check_count, check_generation, check_key, check_score, check_verdict, check_why
from ..clean import clean_details, weight_of
from ..errors import InvalidArgumentError
from ..model import Key, Observation, Verdict
from ..policy import judge
from ..scores import MAX_SCORE
from ..settings import BreakerSettings
from .counts import ReporterCounts
from .flusher import Flusher
from .options import Options, check_settings
from .pending import Report
from .writing import Writer

_logger = logging.getLogger("driftbreaker")
#: How many names and scopes are remembered as checked.
REMEMBERED = 10_000

Details = Mapping[str, Any]


class ReportingDoor:
    """Takes reports. `Reporter` and `AsyncReporter` write them."""

    def __init__(self, options: Options, stir: Callable[[], None]) -> None:
        self._options = options
        self._settings = dict(options.settings)
        self._default = BreakerSettings()
        self._checked: dict[tuple[str, str], tuple[Key, float]] = {}
        self._flusher = Flusher(options, stir)
        self._writer = Writer(options, self.settings_of)
        self._warned = False

    def use(self, name: str, settings: BreakerSettings) -> None:
        """Judge and write a name's reports by these settings from here on.

        Raises InvalidArgumentError where the name has others already: one breaker has one set of settings.
        """
        name = check_key(name, "").name
        known = self._settings.setdefault(name, check_settings(settings, name))
        if known != settings:
            raise InvalidArgumentError(f"breaker {name!r} has other settings already in this reporter: use the same")
        self._checked.clear()

    def settings_of(self, name: str) -> BreakerSettings:
        """Return the settings by which a name's reports are judged and written."""
        return self._settings.get(name, self._default)

    @property
    def counts(self) -> ReporterCounts:
        """What became of all that was reported in this process."""
        return self._flusher.counts()

    def report(
        self,
        name: str,
        score: float | None,
        *,
        scope: str = "",
        verdict: Verdict | str | None = None,
        generation: int | None = None,
        details: Details | None = None,
        samples: int = 1,
        why: str | None = None,
    ) -> None:
        """Report how far the candidate's answer lay from the control's. Returns at once: no lock, no I/O, no query.

        - `score`: a finite number >= 0; None where there is none, and then a verdict is given.
        - `verdict`: ``"good"``, ``"bad"`` or ``"inconclusive"``; without one, the name's `drift_threshold` judges.
          Inconclusive ones change nothing in the database, and are only counted.
        - `generation`: the one that the call was admitted in (`Handle.generation`); in another, nothing changes.
        - `details`: evidence, kept with the incident if this is the worst of its batch; copied here.
        - `samples`: how many comparisons it sums up.
        - `why`: the sentence of the incident's reason, where that is not the score.

        Raises InvalidArgumentError (for what is no number at all also a TypeError) before anything is kept.
        """
        key, threshold = self._know(name, scope)
        if verdict is None:
            observation = _judged(score, threshold, samples, details, why)
        else:
            observation = _called(check_verdict(verdict), score, threshold, samples, details, why)
        if generation is not None:
            generation = check_generation(generation)
        if observation.details:
            self._flusher.add(Report(key, generation, observation, weight=weight_of(observation.details)))
        else:
            self._flusher.add(Report(key, generation, observation))

    def report_schema_error(
        self,
        name: str,
        count: int = 1,
        *,
        scope: str = "",
        generation: int | None = None,
        details: Details | None = None,
    ) -> None:
        """Report `count` answers of the candidate that had the wrong shape. Returns at once.

        They add up over a rolling hour, which begins when they are written. 0 is a no-op. Raises InvalidArgumentError.
        """
        key, _ = self._know(name, scope)
        errors = check_count(count, "count", 0)
        if generation is not None:
            generation = check_generation(generation)
        if errors:
            cleaned = clean_details(details)
            weight = weight_of(cleaned) if cleaned else 0
            self._flusher.add(Report(key, generation, schema_errors=errors, details=cleaned, weight=weight))

    def _warn_of_waiting(self, why: str = "is not started") -> None:
        if not self._warned:
            self._warned = True
            _logger.warning(
                "driftbreaker: the reporter %s: reports wait in memory. Call start(), use it in a with-statement, "
                "or call flush()",
                why,
            )

    def _know(self, name: str, scope: str) -> tuple[Key, float]:
        try:
            return self._checked[name, scope]
        except (KeyError, TypeError):  # TypeError: nothing that could be a name
            key = check_key(name, scope)
        if len(self._checked) >= REMEMBERED:
            self._checked.clear()
        known = self._checked[key] = key, self.settings_of(key.name).drift_threshold
        return known


def _judged(score: Any, threshold: float, samples: int, details: Details | None, why: str | None) -> Observation:
    # Most are floats already: reports are made on hot paths.
    number = score if type(score) is float and 0.0 <= score < math.inf else check_score(score, "score")
    return _observation(number, judge(number, threshold), samples, details, why)


def _called(
    verdict: Verdict, score: Any, threshold: float, samples: int, details: Details | None, why: str | None
) -> Observation:
    """Return what somebody else judged; where the score does not say so, the reason must."""
    number = MAX_SCORE if score is None else check_score(score, "score")
    if verdict is Verdict.BAD and why is None:
        if score is None:
            why = "Candidate reported as bad"
        elif judge(number, threshold) is not Verdict.BAD:
            why = f"Drift score {number:g} reported as bad"
    return _observation(number, verdict, samples, details, why)


def _observation(score: float, verdict: Verdict, samples: int, details: Details | None, why: str | None) -> Observation:
    return Observation(
        score,
        verdict,
        clean_details(details) if details and verdict is Verdict.BAD else {},
        1 if samples == 1 else check_count(samples, "samples", 1),
        None if why is None else check_why(why),
    )
