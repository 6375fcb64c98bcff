"""What is made of the answers of one pair: judged, counted, reported, published. Runs nothing of the two itself."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any

from ..clean import clean_details
from ..errors import Unusable, UnusableScoreError
from ..model import Verdict
from ..policy import judge
from ..scores import measure
from ..settings import BreakerSettings
from .call import Call
from .comparison import Answer, Comparison, ComparisonKind, NoAnswerError, OutOfTimeError, Why
from .contained import is_the_users, plain, unfinished
from .evidence import evidence, sentence
from .forked import BeginsAgain
from .options import Options
from .reports import Reports
from .tally import Tally

Judged = tuple[ComparisonKind, float | None, Verdict]

# Members of an enum cost more to look up than a name of the module, and this is a hot path.
_GOOD, _BAD, _INCONCLUSIVE = Verdict.GOOD, Verdict.BAD, Verdict.INCONCLUSIVE
_COMPARED = ComparisonKind.COMPARED
#: What is counted and told to nobody: nothing ran, or nobody is left to tell.
_QUIET = (ComparisonKind.SKIPPED, ComparisonKind.NO_SCOPE, ComparisonKind.ABANDONED)


class Core(BeginsAgain):
    """The rules of one shadow, the same for functions and coroutines."""

    def __init__(self, name: str, reporter: Reports, options: Options, tally: Tally) -> None:
        self.name = name
        self.options = options
        self.tally = tally
        self._reporter = reporter
        self._threshold = _settings(name, reporter, options).drift_threshold
        super().__init__()

    def begin_again(self) -> None:
        """Keep nothing of what another process compared."""
        self.mismatches: deque[Mapping[str, Any]] = deque(maxlen=self.options.keep)

    # What became of a call.

    def alone(self, call: Call | None, answer: Answer) -> Comparison:
        """Return what became of a call that the control served alone; None for one that was not sampled."""
        if call is not None:
            return self._comparison(call, (answer, None), (call.kind, None, None))
        scope = self.options.scope if isinstance(self.options.scope, str) else ""
        return Comparison(self.name, scope, "control", Why.SERVES, None, None, None, answer, None, None, None)

    def not_isolated(self, call: Call) -> None:
        """Note that the candidate cannot have arguments of its own, and is not called."""
        if self.options.serve != "control":
            self.tally.fell_back()
        if call.compares:
            self.settle(call, None, None, ComparisonKind.NOT_ISOLATED)
        call.stand_back(Why.NOT_ISOLATED, ComparisonKind.NOT_ISOLATED)

    def unjudged(self, call: Call, served: Answer) -> Comparison:
        """Return what became of a call so far: one answered, and nothing is made of it, or not yet."""
        return self._comparison(call, call.sides(served, None), (call.kind, None, None))

    def settle(
        self, call: Call, control: Answer | None, candidate: Answer | None, kind: ComparisonKind | None = None
    ) -> Comparison:
        """Judge a pair, count it, report it, publish it; what of that raises stays here."""
        if kind is None:
            candidate = self.checked(call, candidate) if candidate is not None else None
            judged = self._judge(call, control, candidate)
        else:
            judged = kind, None, _INCONCLUSIVE
        comparison = self._comparison(call, (control, candidate), judged)
        quiet = judged[0] is not _COMPARED and judged[0] in _QUIET
        call.compares = False
        self.tally.add(judged[0], None if quiet else judged[2])
        if not quiet:
            self._tell(comparison)
        return comparison

    def serving_failed(self, call: Call, error: BaseException) -> None:
        """Note that the one that was to serve raised, which is its caller's."""
        if isinstance(error, (KeyboardInterrupt, GeneratorExit)):
            self.abandon(call)
        elif call.compares:
            self.settle(call, *call.sides(Answer(None, error, perf_counter() - call.started), None))

    def abandon(self, call: Call) -> None:
        """Note that the caller was cancelled or interrupted: nothing can be said of the pair. Once, whoever notices."""
        if call.compares:
            call.compares = False
            self.tally.add(ComparisonKind.ABANDONED)

    def checked(self, call: Call, answer: Answer) -> Answer:
        """Return the candidate's answer, with the schema's error where it has the wrong shape; asked once."""
        schema = self.options.schema
        if answer.error is not None or call.schema_checked:
            return answer
        # Of what ran beside, this was asked already. What `auto` has served is the caller's, and open.
        words = unfinished(answer.value) if call.served == "candidate" else None
        if words is not None:
            return Answer(answer.value, NoAnswerError(f"answered with {words}"), answer.seconds)
        if schema is None:
            return answer
        call.schema_checked = True
        try:
            plain("schema", schema(answer.value))
        except BaseException as error:
            if is_the_users(error):
                raise
            call.schema_failed = True
            return Answer(answer.value, error, answer.seconds)
        return answer

    def why_not(self, call: Call, answer: Answer | None) -> Why | None:
        """Return why a candidate's answer cannot be served; None where it can."""
        if answer is None:
            return Why.NO_ROOM
        if call.schema_failed:
            return Why.SCHEMA_ERROR
        if answer.error is None:
            return None
        return Why.TIMED_OUT if type(answer.error) is OutOfTimeError else Why.FAILED

    # How.

    def _judge(self, call: Call, control: Answer | None, candidate: Answer | None) -> Judged:
        if control is not None and control.error is not None:
            return ComparisonKind.CONTROL_FAILED, None, _INCONCLUSIVE
        if candidate is None:
            return ComparisonKind.SKIPPED, None, _INCONCLUSIVE
        if call.schema_failed:
            return ComparisonKind.SCHEMA_ERROR, None, _BAD
        if candidate.error is not None and type(candidate.error) is not OutOfTimeError:
            return ComparisonKind.FAILED, None, _BAD
        if candidate.error is not None or candidate.seconds > self.options.budget:
            return ComparisonKind.TIMED_OUT, None, _BAD
        if self.options.score is None:
            return _COMPARED, 0.0, _GOOD
        if control is None:
            return ComparisonKind.SKIPPED, None, _INCONCLUSIVE
        return self._scored(self.options.score, control.value, candidate.value)

    def _scored(self, score: Callable[[Any, Any], Any], control: object, candidate: object) -> Judged:
        try:
            value = measure(score, control, candidate)
        except UnusableScoreError as error:
            if error.kind not in (Unusable.FAILED, Unusable.NOT_A_SCORE):
                return ComparisonKind.UNUSABLE, None, self.options.unusable
            self.tally.warn_once("score", "its score function raised, or returned no score", error)
        except BaseException as error:
            if is_the_users(error):
                raise
            self.tally.warn_once("score", "its score function raised", error)
        else:
            return _COMPARED, value, judge(value, self._threshold)
        return ComparisonKind.SCORE_FAILED, None, _INCONCLUSIVE

    def _comparison(
        self,
        call: Call,
        answers: tuple[Answer | None, Answer | None],
        judged: Judged | tuple[ComparisonKind | None, None, None],
    ) -> Comparison:
        kind, score, verdict = judged
        control, candidate = answers
        return Comparison(
            self.name,
            call.scope,
            call.served,
            call.why,
            kind,
            score,
            verdict,
            control,
            candidate,
            call.generation,
            call.key,
        )

    def _tell(self, comparison: Comparison) -> None:
        try:
            self._report(comparison, None if comparison.verdict is _GOOD else self._details(comparison))
        except BaseException as error:
            if is_the_users(error):
                raise
            self.tally.report_failed(error)
        if self.options.publish is not None:
            self._hook("publish", self.options.publish, comparison)

    def _report(self, pair: Comparison, details: Mapping[str, Any] | None) -> None:
        report = self._reporter.report
        if pair.kind is _COMPARED:
            report(self.name, pair.score, scope=pair.scope, generation=pair.generation, details=details)
        elif pair.kind is ComparisonKind.SCHEMA_ERROR:
            self._reporter.report_schema_error(self.name, scope=pair.scope, generation=pair.generation, details=details)
        else:
            report(
                self.name,
                None,
                scope=pair.scope,
                verdict=pair.verdict,
                generation=pair.generation,
                details=details,
                why=sentence(pair, self.options.budget),
            )

    def _details(self, comparison: Comparison) -> dict[str, Any]:
        details = evidence(comparison)
        if not comparison.is_mismatch:
            return details
        if self.options.redact is not None:
            kept = self._hook("redact", self.options.redact, comparison)
            if kept is not None:
                details["kept"] = clean_details(kept)  # a copy, within bounds: nothing of the host's is held on to
        self.mismatches.append(details)
        return details

    def _hook(self, what: str, function: Callable[[Comparison], Any], comparison: Comparison) -> Any:
        try:
            return plain(what, function(comparison))
        except BaseException as error:
            if is_the_users(error):
                raise
            self.tally.hook_failed(what, error)
            return None


def _settings(name: str, reporter: Reports, options: Options) -> BreakerSettings:
    """Return what the reporter judges by."""
    if options.settings is not None:
        reporter.use(name, options.settings)
        return options.settings
    known = getattr(reporter, "settings_of", None)
    found = known(name) if callable(known) else None
    return found if isinstance(found, BreakerSettings) else BreakerSettings()
