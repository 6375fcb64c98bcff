"""Whatever the candidate, a function of the host's or the reporter does: the caller gets the control's answer."""

from __future__ import annotations

import contextlib
import inspect
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from driftbreaker import listen
from driftbreaker.scores import equality, relative_delta
from driftbreaker.testing import MemoryReporter

from .conftest import House


class Answer:
    """What the control answers: the test asks for this very object."""


def raising(error: BaseException) -> Callable[..., Any]:
    def raises(*args: Any, **kwargs: Any) -> Any:
        raise error

    return raises


def recursing(*args: Any) -> Any:
    return recursing(*args)


def exhausting(*args: Any) -> Any:
    return bytearray(2**62)


class Custom(BaseException):
    pass


CANDIDATES = {
    "raises": (raising(ValueError("x")), "ValueError"),
    "exits": (raising(SystemExit(3)), "SystemExit"),
    "leaves a generator": (raising(GeneratorExit()), "GeneratorExit"),
    "stops an iteration": (raising(StopIteration(1)), None),
    "recurses": (recursing, "RecursionError"),
    "eats memory": (exhausting, "MemoryError"),
    "raises what is no Exception": (raising(Custom()), "tests.shadow.test_control_is_safe.Custom"),
}


@pytest.mark.parametrize("serve", ["control", "candidate"])
@pytest.mark.parametrize("what", CANDIDATES)
def test_the_candidate_raises(house: House, way: Any, beside: str, what: str, serve: str) -> None:
    candidate, kind = CANDIDATES[what]
    answer = Answer()
    shadow = house.shadow(serve=serve, score=equality(), beside=beside)
    assert way.call(shadow, lambda: answer, candidate) is answer
    assert shadow.counts["failed"] == 1
    assert house.report.verdict == "bad"
    if kind is not None:
        assert house.report.why == f"Candidate raised {kind}"
        assert house.report.details["candidate_error"] == kind


def test_the_candidate_mutates_its_arguments(house: House, way: Any, beside: str) -> None:
    def control(order: dict[str, list[int]], *, also: list[int]) -> tuple[list[int], list[int]]:
        return list(order["items"]), list(also)

    def candidate(order: dict[str, list[int]], *, also: list[int]) -> tuple[list[int], list[int]]:
        seen = list(order["items"]), list(also)
        order.clear()
        also.append(0)
        return seen

    order, also = {"items": [1, 2]}, [3]
    shadow = house.shadow(score=equality(), beside=beside, isolate=True)
    assert way.call(shadow, control, candidate, order, also=also) == ([1, 2], [3])
    assert (order, also) == ({"items": [1, 2]}, [3])
    assert house.report.score == 0.0


def test_a_guard_falls_back_on_the_arguments_that_it_was_called_with(house: House, way: Any, beside: str) -> None:
    def candidate(items: list[int]) -> int:
        items.clear()
        raise ValueError

    shadow = house.shadow(serve="candidate", beside=beside, isolate=True)
    assert way.call(shadow, sum, candidate, [1, 2]) == 3


def test_the_control_changes_its_arguments_and_the_candidate_sees_them_as_they_were(
    house: House, way: Any, beside: str
) -> None:
    shadow = house.shadow(score=equality(), beside=beside, isolate=True)
    assert way.call(shadow, lambda items: items.pop(), lambda items: items.pop(), [1, 2]) == 2
    assert house.report.score == 0.0


class Lonely:
    """Cannot be copied, compared, shown or asked for anything."""

    def __getattribute__(self, name: str) -> Any:
        if name in ("__class__", "__dict__"):
            return object.__getattribute__(self, name)
        raise RuntimeError(name)

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no equal")

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        raise RuntimeError("no words")

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise RuntimeError("no copy")

    def __bool__(self) -> bool:
        raise RuntimeError("no truth")


@pytest.mark.parametrize("score", [equality(), relative_delta()])
def test_the_candidate_returns_what_cannot_be_compared_copied_or_serialised(
    house: House, way: Any, beside: str, score: Any
) -> None:
    shadow = house.shadow(score=score, beside=beside, keep=5, redact=lambda pair: {"answer": pair.candidate.value})
    assert way.call(shadow, lambda: 1, Lonely) == 1
    assert house.report.verdict == "inconclusive"
    assert shadow.counts["unusable"] + shadow.counts["score_failed"] == 1


def test_what_cannot_be_compared_counts_against_the_candidate_where_that_is_asked_for(
    house: House, way: Any, beside: str
) -> None:
    shadow = house.shadow(score=relative_delta(), beside=beside, unusable="bad")
    assert way.call(shadow, lambda: 1, lambda: "one") == 1
    assert house.report.verdict == "bad"
    assert house.report.why == "Candidate's answer cannot be compared with the control's"


@pytest.mark.parametrize("serve", ["control", "candidate", "auto"])
def test_arguments_that_cannot_be_copied_leave_the_control_alone(
    house: House, way: Any, beside: str, serve: str
) -> None:
    called: list[Any] = []
    shadow = house.shadow(serve=serve, beside=beside, isolate=True)
    pair = way.compare(shadow, lambda _: "control", called.append, Lonely())
    assert (pair.served, pair.kind, pair.answer, called) == ("control", "not_isolated", "control", [])
    assert (house.report.verdict, shadow.counts["not_isolated"]) == ("inconclusive", 1)


@pytest.mark.parametrize("isolate", [raising(ValueError()), lambda args, kwargs: None])
def test_an_isolate_function_that_breaks_leaves_the_control_alone(house: House, way: Any, isolate: Any) -> None:
    shadow = house.shadow(isolate=isolate)
    assert way.call(shadow, lambda: 1, lambda: 2) == 1
    assert shadow.counts["not_isolated"] == 1


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(1), RecursionError(), MemoryError(), Custom()], ids=repr)
def test_the_score_function_raises(house: House, way: Any, beside: str, error: BaseException) -> None:
    shadow = house.shadow(score=raising(error), beside=beside)
    assert way.call(shadow, lambda: 1, lambda: 2) == 1
    assert shadow.counts["score_failed"] == 1
    assert house.report.verdict == "inconclusive"


@pytest.mark.parametrize("score", [float("nan"), float("inf"), -1.0, None, True, "0.5"], ids=repr)
def test_what_is_no_score_is_never_good(house: House, way: Any, score: Any) -> None:
    shadow = house.shadow(score=lambda control, candidate: score)
    assert way.call(shadow, lambda: 1, lambda: 2) == 1
    assert shadow.counts["score_failed"] == 1
    assert house.report.verdict == "inconclusive"


def test_nan_answers_are_inconclusive(house: House, way: Any) -> None:
    shadow = house.shadow(score=relative_delta())
    assert way.call(shadow, lambda: 1.0, lambda: float("nan")) == 1.0
    assert shadow.counts["unusable"] == 1
    assert house.report.verdict == "inconclusive"


@pytest.mark.parametrize("hook", ["publish", "redact", "schema", "key", "scope"])
@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(1), Custom()], ids=repr)
def test_a_hook_raises(house: House, way: Any, beside: str, hook: str, error: BaseException) -> None:
    answer = Answer()
    shadow = house.shadow(score=lambda *_: 1.0, beside=beside, **{hook: raising(error)})
    assert way.call(shadow, lambda: answer, lambda: 2) is answer
    counts = shadow.counts
    found = {"schema": counts["schema_error"], "scope": counts["no_scope"]}.get(hook, counts.hook_failures)
    assert found == 1


def test_a_hook_that_raises_is_logged_once(house: House, caplog: pytest.LogCaptureFixture) -> None:
    shadow = house.shadow(publish=raising(ValueError("x")), beside="inline")
    for _ in range(3):
        shadow(int, int)
    assert len(caplog.records) == 1
    assert shadow.counts.hook_failures == 3


def test_a_listener_raises(house: House, way: Any) -> None:
    from datetime import UTC, datetime

    remove = listen(raising(Custom()))
    try:
        shadow = house.shadow(lifetime=datetime(2020, 1, 1, tzinfo=UTC))
        assert way.call(shadow, lambda: 1, lambda: 2) == 1
    finally:
        remove()
    assert (shadow.counts.hook_failures, shadow.counts.broken) == (1, 0)


class Broken(MemoryReporter):
    """A reporter whose queue is full, or that is no more."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    def report(self, *args: Any, **kwargs: Any) -> None:
        raise self.error

    report_schema_error = report


@pytest.mark.parametrize("serve", ["control", "candidate", "auto"])
@pytest.mark.parametrize("error", [RuntimeError("full"), SystemExit(1), Custom()], ids=repr)
def test_the_reporter_raises(house: House, way: Any, beside: str, error: BaseException, serve: str) -> None:
    shadow = house.shadow(
        serve=serve, reporter=Broken(error), score=equality(), beside=beside, publish=house.published.append
    )
    assert way.call(shadow, lambda: 1, lambda: 1) == 1
    assert shadow.counts.report_failures == 1
    assert len(house.published) == 1, "one thing that breaks does not break the next"


def test_the_board_raises_at_a_new_scope(house: House, way: Any) -> None:
    shadow = house.shadow(scope=lambda scope: scope)
    house.board.handle = raising(RuntimeError("gone"))  # type: ignore[method-assign]
    assert way.call(shadow, lambda _: 1, lambda _: 2, "gpt-4") == 1
    assert shadow.counts["no_scope"] == 1


@pytest.mark.parametrize(
    "error", [ValueError("x"), SystemExit(3), KeyboardInterrupt(), GeneratorExit(), Custom()], ids=repr
)
@pytest.mark.parametrize("beside", ["inline", "thread", "background"])
@pytest.mark.parametrize("sample", [1.0, 1e-9])
def test_the_controls_error_reaches_the_caller_as_it_is(
    house: House, error: BaseException, beside: str, sample: float
) -> None:
    shadow = house.shadow(score=equality(), beside=beside, sample=sample)
    with pytest.raises(type(error)) as caught:
        shadow(raising(error), lambda: 2)
    assert caught.value is error
    assert (error.__context__, error.__cause__) == (None, None)


def test_the_controls_stop_iteration_reaches_the_caller(house: House) -> None:
    for serve in ("control", "candidate"):
        for beside in ("inline", "thread", "background"):
            shadow = house.shadow(serve=serve, score=equality(), beside=beside)
            with pytest.raises(StopIteration, match="its"):
                shadow(raising(StopIteration("its")), raising(ValueError()))


def test_the_controls_error_is_counted_as_its_own(house: House, way: Any, beside: str) -> None:
    shadow = house.shadow(score=equality(), beside=beside)
    with pytest.raises(ValueError, match="its own"):
        way.call(shadow, raising(ValueError("its own")), lambda: 2)
    assert shadow.counts["control_failed"] == 1
    assert house.report.verdict == "inconclusive"


def test_ctrl_c_in_the_candidate_is_the_users(house: House) -> None:
    for serve in ("control", "candidate", "auto"):
        shadow = house.shadow(serve=serve, score=equality(), beside="inline")
        with pytest.raises(KeyboardInterrupt):
            shadow(lambda: 1, raising(KeyboardInterrupt()))
        assert (shadow.counts.kinds, house.reports) == ({"abandoned": 1}, [])


@pytest.mark.parametrize("hook", ["score", "publish", "schema", "scope", "key", "isolate"])
def test_ctrl_c_in_a_hook_is_the_users(house: House, hook: str) -> None:
    shadow = house.shadow(beside="inline", **{hook: raising(KeyboardInterrupt())})
    with pytest.raises(KeyboardInterrupt):
        shadow(lambda: 1, lambda: 2)


@pytest.mark.parametrize("beside", ["thread", "background"])
def test_what_raises_ctrl_c_in_a_thread_of_ours_is_contained(house: House, beside: str) -> None:
    shadow = house.shadow(score=equality(), beside=beside)
    assert shadow(lambda: 1, raising(KeyboardInterrupt())) == 1
    assert shadow.drain()
    assert shadow.counts["failed"] == 1


@pytest.mark.parametrize("needs", [0, 1, 3, 12])
def test_wherever_the_stack_ends_an_answer_that_the_control_gave_arrives(house: House, needs: int) -> None:
    """At every depth: comparing may find no room on the stack below it, and the control may find none itself."""
    shadow = house.shadow(score=equality(), beside="inline", schema=lambda answer: answer)
    called: list[str] = []

    def deep(left: int) -> str:
        return "answer" if left == 0 else deep(left - 1)

    def control() -> str:
        called.append("began")
        answer = deep(needs)
        called.append("answered")
        return answer

    def at_depth(left: int, call: Any) -> str:
        return call() if left == 0 else at_depth(left - 1, call)

    room = sys.getrecursionlimit() - len(inspect.stack())
    not_called = 0
    for depth in range(room - 60, room):
        called.clear()
        try:
            answer = at_depth(depth, lambda: shadow(control, lambda: "answer"))
        except RecursionError:
            assert "answered" not in called
            not_called += not called and _reaches(at_depth, depth)
        else:
            assert (answer, called) == ("answer", ["began", "answered"]), "once, and no more"
    assert not_called <= 5, "some frames of ours, and the control is called"
    if needs == 0:
        assert shadow.counts.broken > 0, "where comparing found no room, that is counted"


def _reaches(at_depth: Any, depth: int) -> bool:
    """Return whether there is room to begin the control without us."""
    began: list[int] = []

    def begins() -> None:
        began.append(1)

    with contextlib.suppress(RecursionError):
        at_depth(depth, begins)
    return bool(began)


@pytest.mark.parametrize("serve", ["control", "candidate", "auto"])
@pytest.mark.parametrize("part", ["settle", "unjudged", "checked"])
def test_whatever_breaks_in_here_an_answer_that_is_there_is_returned(
    house: House, way: Any, beside: str, serve: str, part: str
) -> None:
    answer = Answer()
    shadow = house.shadow(serve=serve, score=equality(), beside=beside)
    setattr(shadow._core, part, raising(MemoryError()))
    calls: list[int] = []

    def control() -> Answer:
        calls.append(1)
        return answer

    assert way.call(shadow, control, lambda: answer) is answer
    assert len(calls) <= 1 + (serve == "candidate"), "where a guard broke before it had an answer, the control serves"
    if part == "settle":
        assert (shadow.counts.broken, shadow.counts.kinds) == (1, {}), "wherever it broke, that is counted"


@pytest.mark.parametrize("part", ["admit", "isolate"])
def test_whatever_breaks_before_anything_ran_the_control_serves_alone(house: House, way: Any, part: str) -> None:
    shadow = house.shadow(isolate=True)
    setattr(shadow._admission, part, raising(MemoryError()))
    pair = way.compare(shadow, lambda: 1, lambda: 2)
    assert (pair.served, pair.answer, pair.kind) == ("control", 1, None)
    assert way.call(shadow, lambda: 1, lambda: 2) == 1
    assert shadow.counts.broken == 2


def test_nothing_is_left_behind(house: House, way: Any, beside: str) -> None:
    before = threading.active_count()
    shadow = house.shadow(score=equality(), beside=beside)
    for _ in range(20):
        way.call(shadow, lambda: 1, raising(ValueError()))
    shadow.close()
    assert threading.active_count() == before
