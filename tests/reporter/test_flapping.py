"""A day in which the database comes and goes, in seconds: nothing raised, nothing twice, nothing out of order."""

from __future__ import annotations

import gc
from collections import deque
from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from driftbreaker.model import Observation, Verdict
from driftbreaker.reporter.pending import Segment
from driftbreaker.reporter.writing import Chunk
from tests.support.simulated import (
    VERDICTS,
    Scene,
    assert_in_order,
    cut_off,
    lock_timeout,
    names_of,
    read_only,
    refused_commit,
    segments_of,
    traced,
)

DAY = 24 * 3_600.0
HOUR = 3_600.0
CAPACITY = 200
BREAKERS = 40
FLOOD = 3 * CAPACITY


class Weather:
    """What becomes of a chunk: fair for some minutes, then foul for some, and held rows at all times."""

    def __init__(self, scene: Scene, dice: Random) -> None:
        self.scene = scene
        self.dice = dice
        self.turns_at = scene.clock() + dice.expovariate(1 / 600)
        self.fair = True
        self.held: dict[str, float] = {}

    def pass_(self) -> None:
        now = self.scene.clock()
        while now >= self.turns_at:
            self.fair = not self.fair
            self.turns_at += self.dice.expovariate(1 / (600 if self.fair else 200))
            if not self.fair and self.dice.random() < 0.2:
                self.turns_at += 1_800.0  # longer than evidence is kept
        self.held = {name: until for name, until in self.held.items() if until > now}
        if self.dice.random() < 0.02:
            self.held[f"breaker {self.dice.randrange(BREAKERS)}"] = now + self.dice.expovariate(1 / 60)

    def outcome(self, chunk: Chunk) -> BaseException | None:
        self.scene.clock.advance(self.dice.choice([0.0, 0.01, 0.1, 3.0]))
        if self.dice.random() < 0.5:
            report_some(self.scene, self.dice, 3)  # while it is written
        if not self.fair:
            return self.foul(chunk)
        chunk.begun()
        if any(name in self.held for name in names_of(chunk)):
            self.scene.clock.advance(chunk.lock_wait or 10.0)
            return lock_timeout()
        return self.commit(chunk) if self.dice.random() < 0.05 else None

    def foul(self, chunk: Chunk) -> BaseException:
        kind = self.dice.randrange(4)
        if kind:
            chunk.begun()
        if kind == 1:
            return read_only()
        if kind == 2:
            return self.commit(chunk) or cut_off()
        return cut_off()

    def commit(self, chunk: Chunk) -> BaseException | None:
        """The connection is lost at the COMMIT, or that is refused."""
        chunk.ending()
        return cut_off() if self.dice.random() < 0.5 else refused_commit()


def report_some(scene: Scene, dice: Random, count: int) -> None:
    generations = [None, None, None, int(scene.clock() // HOUR), int(scene.clock() // HOUR) + 1]
    for _ in range(count):
        name = f"breaker {min(dice.randrange(BREAKERS), dice.randrange(BREAKERS))}"
        scene.report(name, dice.choice(VERDICTS), dice.choice(generations))


def drive(scene: Scene, weather: Weather, since: float | None) -> float | None:
    """Do what a driver's thread does, once: flush if it is time; return since when it waits."""
    if scene.flusher.is_idle:
        return None
    since = scene.clock() if since is None else since
    if scene.flusher.delay(since) > 0:
        return since
    scene.flush(weather.outcome, due_only=True)
    return None


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_day_of_a_flapping_database(seed: int) -> None:
    with traced():
        scene, dice = Scene(capacity=CAPACITY, batch=500), Random(seed)
        weather = Weather(scene, dice)
        begin, since = scene.clock(), None
        sizes: deque[int] = deque(maxlen=10_000)
        while scene.clock() < begin + DAY:
            scene.clock.advance(dice.choice([0.1, 0.5, 5.0, 30.0]))
            weather.pass_()
            report_some(scene, dice, dice.choice([0, 1, 5, 20]))
            if dice.random() < 0.001:
                flood(scene)
            since = drive(scene, weather, since)
            sizes.append(len(segments_of(scene.flusher)) + len(scene.flusher._raw))
            assert sizes[-1] <= CAPACITY + 2 * 500
            assert len(scene.flusher._troubles) <= CAPACITY
        scene.assert_counts_are_exact()
        for reports in scene.written.reports.values():
            assert_in_order(reports)
        counts = scene.flusher.counts()
        for what in (counts.flushed, counts.in_doubt, *map(counts.why_dropped.get, ("no room", "too old"))):
            assert what, f"the day had no such hour: {counts}"
        scene.clock.advance(1.0)
        assert scene.flush(), "when the database is back, all that was not dropped is there"
        scene.assert_counts_are_exact()
        assert not scene.waiting()
        assert_streaks_are_those_of_what_was_written(scene)


def flood(scene: Scene) -> None:
    """More breakers than there is room for, all at once."""
    for number in range(FLOOD):
        scene.report(f"scope {number}", Verdict.BAD)


def assert_streaks_are_those_of_what_was_written(scene: Scene) -> None:
    """Counted one by one, in the order in which they were reported."""
    for key, reports in scene.written.reports.items():
        failures = 0
        for _, one in reports:
            failures = {Verdict.BAD: failures + 1, Verdict.GOOD: 0}.get(one.verdict, failures)
        assert scene.written.failures[key] == failures


def test_memory_is_flat_whatever_the_time() -> None:
    """The objects of a day without a database are those of its first hour."""
    scene, counts = Scene(capacity=CAPACITY, batch=500), []
    weather = Weather(scene, Random(4))
    weather.fair, weather.turns_at = False, float("inf")
    since = None
    for _ in range(24):
        for _ in range(15):
            scene.clock.advance(240.0)
            report_some(scene, weather.dice, 20)
            since = drive_without_traces(scene, since)
        gc.collect()
        found = [type(each) for each in gc.get_objects()]
        counts.append(found.count(Segment) + found.count(Observation) + found.count(Chunk))
    assert max(counts[1:]) <= 2 * CAPACITY + 1_000
    assert max(counts[12:]) <= 1.5 * max(counts[1:12])
    assert not scene.flusher.counts().flushed


def drive_without_traces(scene: Scene, since: float | None) -> float | None:
    since = scene.clock() if since is None else since
    if scene.flusher.delay(since) > 0:
        return since
    scene.flusher.begin(due_only=True)
    while (chunk := scene.flusher.next_chunk()) is not None:
        scene.flusher.failed(chunk, cut_off())
    return None


class Machine(RuleBasedStateMachine):
    """A flusher beside the list of all that was reported: whatever happens, in whatever order."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = traced()
        self.patch.__enter__()
        self.scene = Scene(capacity=6, keep=300.0, batch=5)

    def teardown(self) -> None:
        self.patch.__exit__(None, None, None)

    @rule(
        name=st.sampled_from("abcd"),
        generation=st.sampled_from([None, None, 0, 1]),
        verdict=st.sampled_from(VERDICTS),
        times=st.integers(1, 7),
    )
    def report(self, name: str, generation: int | None, verdict: Verdict, times: int) -> None:
        for _ in range(times):
            self.scene.report(name, verdict, generation)

    @rule(seconds=st.sampled_from([0.1, 1.0, 10.0, 61.0, 301.0]))
    def pass_time(self, seconds: float) -> None:
        self.scene.clock.advance(seconds)

    @rule(
        fates=st.lists(st.sampled_from(["written", "cut", "held", "refused", "doubt", "after", "slow"]), max_size=8),
        due_only=st.booleans(),
    )
    def flush(self, fates: list[str], due_only: bool) -> None:
        left = iter(fates)

        def outcome(chunk: Chunk) -> BaseException | None:
            return self.meet(chunk, next(left, "written"))

        written = self.scene.flush(outcome, due_only=due_only)
        assert written or set(fates) - {"written", "after", "slow"}

    def meet(self, chunk: Chunk, fate: str) -> BaseException | None:
        chunk.begun()
        if fate == "slow":
            self.scene.clock.advance(11.0)
            self.scene.report("a")
        if fate in ("refused", "doubt", "after"):
            chunk.ending()
        if fate == "after":
            self.scene.written.commit(chunk)
            chunk.committed = True
        errors = {"cut": cut_off, "held": lock_timeout, "refused": refused_commit, "doubt": cut_off, "after": cut_off}
        return errors[fate]() if fate in errors else None

    @rule()
    def close(self) -> None:
        self.scene.flusher.close()
        assert not self.scene.waiting()
        self.scene.flusher._closed = False  # so that the story goes on

    @invariant()
    def counts_are_exact_and_order_is_kept(self) -> None:
        self.scene.assert_counts_are_exact()
        for reports in self.scene.written.reports.values():
            assert_in_order(reports)
        assert len(segments_of(self.scene.flusher)) <= 6
        flusher = self.scene.flusher
        assert (flusher._under_way, list(flusher._chunks), list(flusher._second_tries)) == (0, [], [])


Machine.TestCase.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
TestFlusher = Machine.TestCase
