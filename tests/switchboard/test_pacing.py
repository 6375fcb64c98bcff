"""When a board reads next, whatever wakes it, fails, or is lost: simulated, to the microsecond."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from driftbreaker.refresh.pacing import LEAST_GAP, LONGEST_GAP, LONGEST_REST, REST, RETRY_BASE, RETRY_CAP, Pacing

POLL = 1.0
LATE = 0.020

readings = st.lists(
    st.tuples(
        st.floats(0.0001, 0.015),  # how long it takes
        st.booleans(),  # whether it brings all that is waited for
        st.lists(st.floats(0, 0.015), max_size=3),  # wake-ups while it is under way
    ),
    min_size=1,
    max_size=60,
)
wakes = st.lists(st.floats(0, 10), max_size=40)


@dataclass
class Run:
    """A board whose readings take as long as they are told to, by a clock that only they move."""

    pacing: Pacing
    now: float = 0.0
    began: list[float] = field(default_factory=list)
    ended: list[float] = field(default_factory=list)

    def rest(self, wakes: list[float]) -> None:
        """Wait until the next reading is due; wake-ups on the way may bring it forward."""
        for wake in wakes:
            if self.now <= wake < self.pacing.next_at:
                self.now = wake
                self.pacing.wake(wake)
        self.now = max(self.now, self.pacing.next_at)

    def read(self, taken: float, complete: bool, woken: list[float]) -> None:
        self.pacing.begin(self.now)
        self.began.append(self.now)
        for wake in sorted(woken):
            if wake < taken:
                self.pacing.wake(self.now + wake)
        self.now += taken
        self.pacing.succeeded(self.now, again=not complete)
        self.ended.append(self.now)


def new_run() -> Run:
    return Run(Pacing(POLL, lambda: 1.0, 0.0))


@given(readings, wakes)
def test_whatever_is_lost_nothing_is_seen_later_than_a_poll_and_what_reading_takes(
    schedule: list[tuple[float, bool, list[float]]], wakes: list[float]
) -> None:
    """A commit just after one reading began is seen when the next one ends."""
    run = new_run()
    for taken, complete, woken in schedule:
        run.rest(sorted(wakes))
        run.read(taken, complete, woken)
    seen_after = [end - began for began, end in zip(run.began, run.ended[1:], strict=False)]
    assert max(seen_after, default=0.0) <= POLL + LATE


@given(readings, wakes)
def test_no_storm_of_wake_ups_becomes_one_of_readings(
    schedule: list[tuple[float, bool, list[float]]], wakes: list[float]
) -> None:
    run = new_run()
    for taken, complete, woken in schedule:
        run.rest(sorted(wakes))
        run.read(taken, complete, woken)
    gaps = [after - before for before, after in zip(run.began, run.began[1:], strict=False)]
    assert min(gaps, default=POLL) >= LEAST_GAP - 1e-9


@given(st.floats(0.0001, 0.9), st.floats(0, 0.9))
def test_a_wake_up_is_followed_by_a_reading_that_begins_after_it(taken: float, woken: float) -> None:
    run = new_run()
    run.read(taken, True, [woken] if woken < taken else [])
    if woken >= taken:
        run.now = woken
        run.pacing.wake(woken)
    assert woken <= run.pacing.next_at <= max(woken, LEAST_GAP, min(REST * taken, LONGEST_REST), taken)


def test_a_storm_of_wake_ups_leaves_the_board_most_of_its_time() -> None:
    run = new_run()
    for _ in range(50):
        run.rest([run.now])
        run.read(0.01, True, [0.001, 0.005])
    assert 0.2 <= 50 * 0.01 / run.now <= 0.26


def test_without_any_wake_up_it_reads_once_a_poll() -> None:
    run = new_run()
    for _ in range(10):
        run.rest([])
        run.read(0.01, True, [])
    assert run.began == [number * POLL for number in range(10)]


def test_a_reading_longer_than_the_poll_is_followed_by_the_next_at_once() -> None:
    run = new_run()
    run.read(3 * POLL, True, [])
    assert run.pacing.next_at == run.now


def test_what_is_waited_for_is_looked_for_less_and_less_often() -> None:
    run = new_run()
    for _ in range(10):
        run.rest([])
        run.read(0.001, False, [])
    gaps = [after - before for before, after in zip(run.ended, run.began[1:], strict=False)]
    assert gaps == sorted(gaps)
    assert gaps[0] < 0.02
    assert abs(gaps[-1] - LONGEST_GAP) < 1e-9


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_failures_are_retried_sooner_than_the_cap_and_not_all_at_once(chances: list[float]) -> None:
    chance = iter(chances)
    pacing = Pacing(POLL, lambda: next(chance), 0.0)
    now = 0.0
    for number, drawn in enumerate(chances):
        pacing.begin(now)
        now += 0.001
        pacing.failed(now)
        ceiling = min(RETRY_CAP, RETRY_BASE * 2**number)
        assert pacing.next_at == now + drawn * ceiling
        now = pacing.next_at


def test_commits_of_the_host_do_not_hammer_a_database_that_is_down() -> None:
    pacing = Pacing(POLL, lambda: 1.0, 0.0)
    for number in range(20):
        pacing.begin(float(number))
        pacing.failed(float(number))
    pacing.wake(100.0)
    assert pacing.next_at == 19.0 + RETRY_CAP  # the retry that is due already stays
    pacing.begin(200.0)
    pacing.failed(200.0)
    pacing.wake(200.0)
    assert pacing.next_at == 200.0 + RETRY_BASE


def test_after_a_failure_the_first_success_goes_back_to_the_poll() -> None:
    run = new_run()
    run.pacing.begin(0.0)
    run.pacing.failed(0.0)
    run.rest([])
    run.read(0.001, True, [])
    assert run.pacing.next_at == run.began[0] + POLL
