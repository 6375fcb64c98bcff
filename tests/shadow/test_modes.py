"""Who serves, why, and what is reported of it."""

from __future__ import annotations

from typing import Any

import pytest

from driftbreaker import BreakerSettings, ComparisonKind, InvalidArgumentError, Outage, guard
from driftbreaker.scores import equality, relative_delta
from driftbreaker.shadow import Why
from driftbreaker.testing import MemoryReporter, MemorySwitchboard

from .conftest import NAME, House


def ten(tokens: int) -> int:
    return tokens * 10


def fifteen(tokens: int) -> int:
    return tokens * 15


def raises(tokens: int) -> int:
    raise LookupError(f"secret {tokens}")


@pytest.mark.parametrize(("serve", "answer"), [("control", 20), ("candidate", 30), ("auto", 30)])
def test_while_closed_the_one_that_is_to_serve_does_and_the_pair_is_scored(
    house: House, way: Any, beside: str, serve: str, answer: int
) -> None:
    shadow = house.shadow(serve=serve, score=relative_delta(), beside=beside, publish=house.published.append)
    assert way.call(shadow, ten, fifteen, 2) == answer
    assert (house.report.score, house.report.verdict, house.report.scope) == (0.5, "bad", "")
    (pair,) = house.published
    assert (pair.kind, pair.score, pair.verdict) == ("compared", 0.5, "bad")
    assert (pair.control.value, pair.candidate.value, pair.answer) == (20, 30, answer)
    assert pair.control.seconds >= 0
    assert pair.candidate.seconds >= 0
    assert (pair.name, pair.generation, pair.key) == (NAME, 0, None)


@pytest.mark.parametrize("serve", ["control", "candidate", "auto"])
def test_while_open_the_candidate_is_not_called_at_all(house: House, way: Any, beside: str, serve: str) -> None:
    house.board.set(NAME, is_open=True)
    called = []
    shadow = house.shadow(serve=serve, score=equality(), beside=beside)
    assert way.call(shadow, ten, called.append, 2) == 20
    pair = way.compare(shadow, ten, called.append, 2)
    assert (pair.served, pair.why, pair.kind, pair.answer) == ("control", Why.OPEN, None, 20)
    assert called == house.reports == []


@pytest.mark.parametrize("serve", ["control", "candidate", "auto"])
def test_a_report_carries_the_generation_of_its_admission(house: House, beside: str, serve: str) -> None:
    house.board.set(NAME, is_open=True)
    house.board.set(NAME, is_open=False)
    shadow = house.shadow(serve=serve, score=equality(), beside=beside)

    def trips_meanwhile(tokens: int) -> int:
        house.board.set(NAME, is_open=True)
        return tokens

    shadow(trips_meanwhile, trips_meanwhile, 1)
    assert shadow.drain()
    assert house.report.generation == 2
    assert house.board[NAME].generation == 3


@pytest.mark.parametrize(("serve", "answer"), [("control", 20), ("candidate", 30), ("auto", 30)])
def test_where_nobody_knows_the_generation_nothing_is_compared(
    house: House, way: Any, beside: str, serve: str, answer: int
) -> None:
    """Its report could never be too late: it would count after the breaker was opened and closed by hand."""
    house.board = MemorySwitchboard(outage=Outage.CLOSED)
    house.board.lose_database()
    called = []
    shadow = house.shadow(
        serve=serve, score=relative_delta(), beside=beside, isolate=lambda *all_: called.append(1) or all_
    )
    pair = way.compare(shadow, ten, fifteen, 2)
    assert (pair.answer, pair.kind, pair.generation, pair.why) == (answer, "skipped", None, shadow._admission._why)
    assert (shadow.counts.kinds, house.reports) == ({"skipped": 1}, [])
    assert len(called) == (serve != "control"), "nothing is copied for nobody"
    house.board.find_database()
    assert way.call(shadow, ten, fifteen, 2) == answer
    house.board.lose_database()
    assert way.call(shadow, ten, fifteen, 2) == answer
    assert [report.generation for report in house.reports] == [0, 0], "what was read once is known"


def test_what_is_not_sampled_is_not_skipped(house: House, way: Any) -> None:
    house.board = MemorySwitchboard(outage=Outage.CLOSED)
    house.board.lose_database()
    for serve in ("control", "candidate", "auto"):
        shadow = house.shadow(serve=serve, sample=1e-9)
        way.call(shadow, ten, fifteen, 2)
        assert shadow.counts.kinds == {}


def test_a_trip_between_two_looks_at_the_handle_makes_the_report_a_late_one() -> None:
    looked = []

    class Gate:
        @property
        def generation(self) -> int:
            looked.append("generation")
            return 7

        @property
        def is_open(self) -> bool:
            looked.append("is_open")
            return False

    class Board:
        def handle(self, name: str, scope: str = "") -> Gate:
            return Gate()

    reporter = MemoryReporter()
    guard(Board(), reporter, NAME, beside="inline")(ten, fifteen, 1)
    assert looked == ["generation", "is_open"]
    assert reporter.reports[0].generation == 7


def test_a_guard_falls_back_on_the_control_when_the_candidate_raises(house: House, way: Any, beside: str) -> None:
    shadow = house.shadow(serve="candidate", score=equality(), beside=beside)
    pair = way.compare(shadow, ten, raises, 2)
    assert (pair.served, pair.why, pair.kind, pair.answer) == ("control", Why.FAILED, "failed", 20)
    assert type(pair.candidate.error) is LookupError
    assert (house.report.verdict, house.report.score, house.report.why) == ("bad", None, "Candidate raised LookupError")
    assert shadow.counts.fallbacks == 1


def test_a_guard_falls_back_on_an_answer_of_the_wrong_shape(house: House, way: Any, beside: str) -> None:
    shadow = house.shadow(serve="candidate", schema=lambda answer: answer["price"], beside=beside, sample=1e-9)
    assert way.call(shadow, ten, fifteen, 2) == 20
    assert shadow.counts.fallbacks == 1
    assert house.reports == [], "only what is sampled is an observation"


def test_a_guard_serves_the_controls_error_when_both_fail_and_blames_nobody(
    house: House, way: Any, beside: str
) -> None:
    error = ValueError("the control's")

    calls = []

    def control(tokens: int) -> int:
        calls.append(tokens)
        raise error

    shadow = house.shadow(serve="candidate", score=equality(), beside=beside)
    with pytest.raises(ValueError, match="the control's") as caught:
        way.call(shadow, control, raises, 2)
    assert caught.value is error
    assert calls == [2], "once"
    assert caught.value.__context__ is None, "the candidate's error is not in the control's traceback"
    assert shadow.counts["control_failed"] == 1
    assert house.report.verdict == "inconclusive"


def test_a_guard_without_a_score_needs_no_control_for_a_good_observation(house: House, way: Any, beside: str) -> None:
    called = []
    shadow = house.shadow(serve="candidate", beside=beside)
    assert way.call(shadow, called.append, fifteen, 2) == 30
    assert (house.report.score, house.report.verdict) == (0.0, "good")
    assert called == []


def test_what_auto_serves_is_the_callers_with_its_errors(house: House, way: Any, beside: str) -> None:
    called = []
    shadow = house.shadow(serve="auto", beside=beside)
    with pytest.raises(LookupError, match="secret 2"):
        way.call(shadow, called.append, raises, 2)
    assert called == [], "no second run, which could repeat side effects"
    assert house.report.why == "Candidate raised LookupError"


def test_what_auto_serves_in_the_wrong_shape_is_served_and_observed(house: House, way: Any, beside: str) -> None:
    shadow = house.shadow(serve="auto", schema=lambda answer: answer["price"], beside=beside)
    assert way.call(shadow, ten, fifteen, 2) == 30
    assert house.report.schema_errors == 1


@pytest.mark.parametrize("serve", ["candidate", "auto"])
def test_a_candidate_that_serves_is_compared_only_when_sampled(house: House, way: Any, beside: str, serve: str) -> None:
    called = []
    shadow = house.shadow(serve=serve, sample=1e-9, score=equality(), beside=beside)
    assert way.call(shadow, called.append, fifteen, 2) == 30
    assert called == house.reports == []


def test_a_control_that_runs_beside_costs_the_caller_nothing_when_it_raises(house: House, way: Any) -> None:
    for serve in ("candidate", "auto"):
        for beside in ("inline", "thread", "background"):
            shadow = house.shadow(serve=serve, score=equality(), beside=beside)
            assert way.call(shadow, raises, fifteen, 2) == 30
            assert shadow.counts["control_failed"] == 1
    assert {report.verdict for report in house.reports} == {"inconclusive"}


def test_in_the_background_the_caller_gets_what_is_known_and_publish_gets_the_rest(house: House, way: Any) -> None:
    shadow = house.shadow(score=equality(), publish=house.published.append)
    early = way.compare(shadow, ten, fifteen, 2)
    assert (early.kind, early.candidate, early.answer) == (None, None, 20)
    (whole,) = house.published
    assert (whole.kind, whole.candidate.value, whole.answer) == ("compared", 30, 20)


def test_settings_are_handed_to_the_reporter_and_judge_here_too(house: House) -> None:
    shadow = house.shadow(settings=BreakerSettings(drift_threshold=0.6), score=relative_delta(), beside="inline")
    assert shadow.compare(ten, fifteen, 2).verdict == house.report.verdict == "good"
    assert house.shadow(score=relative_delta(), beside="inline").compare(ten, fifteen, 2).verdict == "good"
    with pytest.raises(InvalidArgumentError, match="has other settings already"):
        house.shadow(settings=BreakerSettings(drift_threshold=0.7))


def test_counts_add_up(house: House) -> None:
    shadow = house.shadow(score=relative_delta(), beside="inline")
    for candidate in (ten, fifteen, raises):
        shadow(ten, candidate, 2)
    shadow(ten, lambda _: "odd", 2)
    counts = shadow.counts
    assert counts.kinds == {"compared": 2, "failed": 1, "unusable": 1}
    assert (counts.good, counts.bad, counts.inconclusive) == (1, 2, 1)
    assert (counts["failed"], counts["skipped"], counts[ComparisonKind.UNUSABLE]) == (1, 0, 1)


def test_guard_is_a_shadow_that_serves_the_candidate() -> None:
    with guard(MemorySwitchboard(), MemoryReporter(), NAME) as guarded:
        assert guarded(ten, fifteen, 2) == 30
        assert guarded(ten, raises, 2) == 20
    assert guarded.name == NAME
