"""What waits in memory: in order, bounded, and the oldest goes first."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from driftbreaker.model import Key, Observation, Verdict
from driftbreaker.policy import Streak
from driftbreaker.reporter.pending import SPAN, Pending, Report, Segment, Waiting
from tests.support.simulated import VERDICTS, assert_in_order, trace_of, traced

KEEP = 300.0


@pytest.fixture(autouse=True)
def _traced() -> Iterator[None]:
    with traced():
        yield


def report(number: int, name: str = "pricing", generation: int | None = None) -> Report:
    return Report(Key(name, ""), generation, Observation(score=float(number), verdict=Verdict.BAD, details={}))


def numbers(waiting: list[Waiting]) -> list[float]:
    return [one.score for each in waiting for segment in each.segments for one in trace_of(segment)]


def test_the_oldest_goes_first_where_others_are_as_old_as_the_youngest_that_goes() -> None:
    pending = Pending(capacity=20, keep=KEEP)
    for number in range(20):  # the first of all is that of the last name
        pending.add(report(number, f"{99 - number:02}"), now=float(number > 0))
    pending.put_back(pending.take(1.0))
    pending.add(report(20, "00"), now=1.0)
    assert pending.dropped == {"no room": 3}
    assert 0 not in numbers(pending.take(1.0)), "which began before all others"


def test_two_generations_in_turns_take_the_room_of_two() -> None:
    pending = Pending(capacity=10, keep=KEEP)
    for number in range(1_000):
        pending.add(report(number, generation=number % 2), now=number / 100)
    assert not pending.dropped
    ((_, segments),) = pending.take(10.0)
    assert [(segment.generation, segment.reports) for segment in segments] == [(0, 500), (1, 500)]


def test_nothing_moves_past_what_was_admitted_in_no_generation() -> None:
    pending = Pending(capacity=10, keep=KEEP)
    for number, generation in enumerate((0, None, 0, None)):
        pending.add(report(number, generation=generation), now=0.0)
    ((_, segments),) = pending.take(0.0)
    assert [segment.generation for segment in segments] == [0, None, 0, None]


def test_a_report_does_not_join_one_of_its_generation_that_is_a_minute_old() -> None:
    pending = Pending(capacity=10, keep=KEEP)
    for number, (generation, now) in enumerate([(0, 0.0), (1, 50.0), (0, SPAN), (0, SPAN + 1)]):
        pending.add(report(number, generation=generation), now)
    ((_, segments),) = pending.take(SPAN)
    assert [[one.score for one in trace_of(segment)] for segment in segments] == [[0], [1], [2, 3]]


def test_what_is_left_behind_is_only_what_was_asked_for() -> None:
    pending = Pending(capacity=10, keep=KEEP)
    for number, name in enumerate("abc"):
        pending.add(report(number, name), now=0.0)
    assert [each.key.name for each in pending.take(0.0, {Key("b", "")})] == ["a", "c"]
    assert (pending.reports, pending.reports_of([Key("b", ""), Key("a", "")])) == (1, 1)
    assert numbers(pending.take(0.0)) == [1]


def weighty(name: str, score: float, weight: int = 40) -> Report:
    observation = Observation(score=score, verdict=Verdict.BAD, details={"score": score})
    return Report(Key(name, ""), None, observation, weight=weight)


def evidence(waiting: list[Waiting]) -> dict[str, object]:
    return {each.key.name: segment.batch.worst.details for each in waiting for segment in each.segments}  # type: ignore[union-attr]


CUT = {"…": "…"}


def test_evidence_beyond_what_may_wait_is_cut_with_a_mark_and_its_reports_still_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("driftbreaker.reporter.pending.EVIDENCE", 100)
    pending = Pending(capacity=10, keep=KEEP)
    for name in "abc":
        pending.add(weighty(name, 0.5), now=0.0)
    pending.add(weighty("a", 0.4), now=0.0)
    assert (pending.weight, pending.reports) == (80, 4)
    pending.add(weighty("a", 0.9, 60), now=0.0)
    assert pending.weight == 40, "a worse one takes the place of the worst, whose evidence it then is"
    pending.add(weighty("c", 0.6), now=0.0)
    taken = pending.take(1.0)
    assert evidence(taken) == {"a": CUT, "b": {"score": 0.5}, "c": {"score": 0.6}}
    assert numbers(taken) == [0.5, 0.4, 0.9, 0.5, 0.5, 0.6]
    assert pending.weight == 0


def test_evidence_that_comes_back_is_cut_where_there_is_no_room_for_it_any_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("driftbreaker.reporter.pending.EVIDENCE", 100)
    pending = Pending(capacity=10, keep=KEEP)
    pending.add(weighty("a", 0.5), now=0.0)
    pending.add(Report(Key("b", ""), None, schema_errors=1, details={"field": "x"}, weight=40), now=0.0)
    taken = pending.take(1.0)
    pending.add(weighty("c", 0.5, 50), now=1.0)
    pending.put_back(taken)
    assert pending.weight == 90
    (a, b, c) = pending.take(1.0)
    assert evidence([a, c]) == {"a": {"score": 0.5}, "c": {"score": 0.5}}
    assert (b.segments[0].schema_details, b.segments[0].schema_errors) == (CUT, 1)


def test_schema_errors_keep_the_evidence_of_the_last_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("driftbreaker.reporter.pending.EVIDENCE", 100)
    pending = Pending(capacity=10, keep=KEEP)
    for number in range(5):
        details = {"number": number}
        pending.add(Report(Key("a", ""), None, schema_errors=1, details=details, weight=40), now=0.0)
    assert pending.weight == 40
    pending.add(Report(Key("a", ""), None, schema_errors=1, details={"all": 1}, weight=61), now=0.0)
    assert pending.weight == 0
    ((_, (segment,)),) = pending.take(0.0)
    assert (segment.schema_details, segment.schema_errors) == (CUT, 6)


def weight_of(segment: Segment) -> int:
    return 0 if segment.batch.worst is None else segment.batch.worst.details.get("weight", 0)


class Machine(RuleBasedStateMachine):
    """`Pending` beside a list of all that was ever reported."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = traced()
        self.patch.__enter__()
        self.room = pytest.MonkeyPatch()
        self.room.setattr("driftbreaker.reporter.pending.EVIDENCE", 10)
        self.capacity = 8
        self.pending = Pending(self.capacity, KEEP)
        self.now = 0.0
        self.reported: list[tuple[str, int | None, Verdict]] = []
        self.gone: set[float] = set()
        self.taken: list[Waiting] = []

    def teardown(self) -> None:
        self.room.undo()
        self.patch.__exit__(None, None, None)

    def segments(self) -> list[Segment]:
        return [segment for segments in self.pending._waiting.values() for segment in segments]

    def waiting(self) -> set[float]:
        return {one.score for segment in self.segments() for one in trace_of(segment)}

    @rule(
        name=st.sampled_from("abcd"),
        generation=st.sampled_from([None, None, 0, 1, 2, 3, 4, 5]),
        verdict=st.sampled_from(VERDICTS),
        times=st.integers(1, 5),
        weight=st.sampled_from([0, 0, 1, 2, 5, 11]),
    )
    def report(self, name: str, generation: int | None, verdict: Verdict, times: int, weight: int) -> None:
        for _ in range(times):
            before = {id(segment): segment for segment in self.segments()}
            details = {"weight": weight} if verdict is Verdict.BAD and weight else {}
            observation = Observation(score=float(len(self.reported)), verdict=verdict, details=details)
            self.reported.append((name, generation, verdict))
            weighs = weight if details else 0
            self.pending.add(Report(Key(name, ""), generation, observation, weight=weighs), self.now)
            self.note_what_went(before)

    @rule(seconds=st.sampled_from([0.5, 20.0, 61.0, 310.0]))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: not self.taken)
    @rule(but=st.sets(st.sampled_from("abcd"), max_size=2))
    def take(self, but: set[str]) -> None:
        keys = {Key(name, "") for name in but}
        old = {one.score for each in self.segments() if self.now - each.began >= KEEP for one in trace_of(each)}
        waiting, left = self.waiting(), self.of(keys) - old
        self.taken = self.pending.take(self.now, keys)
        assert [each.key for each in self.taken] == sorted(each.key for each in self.taken)
        self.gone |= old
        assert self.waiting() == left
        assert set(numbers(self.taken)) == waiting - left - old

    def of(self, keys: set[Key]) -> set[float]:
        waiting = self.pending._waiting
        return {one.score for key in keys for segment in waiting.get(key, []) for one in trace_of(segment)}

    @precondition(lambda self: self.taken)
    @rule(back=st.sets(st.sampled_from("abcd")), from_the_end=st.booleans())
    def settle(self, back: set[str], from_the_end: bool) -> None:
        """Some was written, or is in doubt; the others come back, each by itself, in whatever order."""
        ours = [each for each in self.taken if each.key.name in back]
        for each in self.taken:
            for segment in each.by_generation():
                trace = trace_of(segment)
                assert segment.batch.streak == Streak.of(one.verdict for one in trace)
                assert segment.reports == len(trace)
            assert_in_order((segment.generation, one) for segment in each.segments for one in trace_of(segment))
        self.gone |= set(numbers(self.taken)) - set(numbers(ours))
        for each in reversed(ours) if from_the_end else ours:
            before = {id(segment): segment for segment in (*self.segments(), *each.segments)}
            self.pending.put_back([each])
            self.note_what_went(before)
        self.taken = []

    @rule()
    def give_up(self) -> None:
        self.gone |= self.waiting()
        self.pending.drop_all("closed")

    def note_what_went(self, before: dict[int, Segment]) -> None:
        left = self.segments()
        went = [segment for number, segment in before.items() if number not in {id(each) for each in left}]
        if went:
            assert max(each.began for each in went) <= min((each.began for each in left), default=self.now)
            assert len(left) == self.capacity - self.capacity // 10
        self.gone |= {one.score for each in went for one in trace_of(each)}

    @invariant()
    def nothing_is_lost_doubled_or_out_of_order(self) -> None:
        waiting, taken = self.waiting(), set(numbers(self.taken))
        assert not waiting & (taken | self.gone)
        assert not taken & self.gone
        assert waiting | taken | self.gone == set(map(float, range(len(self.reported))))
        assert self.pending.reports == len(waiting)
        assert self.pending.weight == sum(map(weight_of, self.segments())) <= 10
        assert len(self.segments()) == self.pending._segments <= self.capacity
        assert set(self.pending.keys) == {key for key, each in self.pending._waiting.items() if each}
        for key, segments in self.pending._waiting.items():
            order = [(segment.generation, one) for segment in segments for one in trace_of(segment)]
            assert_in_order(order)
            for generation, one in order:
                assert (key.name, generation, one.verdict) == self.reported[int(one.score)]
            assert [each.began for each in segments] == sorted(each.began for each in segments)


Machine.TestCase.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
TestPending = Machine.TestCase
