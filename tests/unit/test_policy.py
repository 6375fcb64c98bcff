"""The rule that trips: N bad scores in a row, however they arrive."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftbreaker.errors import InvalidArgumentError
from driftbreaker.model import Observation, Verdict
from driftbreaker.policy import Batch, Consecutive, Streak, judge, reaches, warns

GOOD, BAD, INCONCLUSIVE = Verdict.GOOD, Verdict.BAD, Verdict.INCONCLUSIVE
VERDICTS = st.lists(st.sampled_from([GOOD, BAD, BAD, INCONCLUSIVE]), max_size=30)
SCORES = st.floats(0, 1e300, allow_nan=False)


def one_by_one(before: int, verdicts: list[Verdict], threshold: int) -> tuple[int, bool]:
    """What a breaker does that is told each verdict alone (and goes on counting, were it to trip)."""
    streak, tripped = before, False
    for verdict in verdicts:
        if verdict is GOOD:
            streak = 0
        elif verdict is BAD:
            streak += 1
            tripped = tripped or streak >= threshold
    return streak, tripped


@given(VERDICTS, st.integers(0, 10), st.integers(1, 8))
def test_a_batch_decides_what_its_verdicts_decide_one_by_one(
    verdicts: list[Verdict], before: int, threshold: int
) -> None:
    assert Consecutive(threshold).decide(before, Streak.of(verdicts)) == one_by_one(before, verdicts, threshold)


@given(VERDICTS, st.integers(0, 10), st.integers(1, 8))
def test_it_trips_exactly_when_a_run_within_or_across_the_start_reaches_the_threshold(
    verdicts: list[Verdict], before: int, threshold: int
) -> None:
    batch = Streak.of(verdicts)
    across = batch.prefix > 0 and before + batch.prefix >= threshold
    assert Consecutive(threshold).decide(before, batch)[1] is (across or batch.longest >= threshold)


@given(VERDICTS, st.data(), st.integers(0, 10), st.integers(1, 8))
def test_every_split_of_a_batch_comes_to_the_same(
    verdicts: list[Verdict], data: st.DataObject, before: int, threshold: int
) -> None:
    cut = data.draw(st.integers(0, len(verdicts)))
    policy = Consecutive(threshold)
    middle, first = policy.decide(before, Streak.of(verdicts[:cut]))
    after, second = policy.decide(middle, Streak.of(verdicts[cut:]))
    assert (after, first or second) == policy.decide(before, Streak.of(verdicts))


@given(VERDICTS)
def test_inconclusive_verdicts_neither_extend_nor_break_a_streak(verdicts: list[Verdict]) -> None:
    conclusive = [verdict for verdict in verdicts if verdict is not INCONCLUSIVE]
    assert Streak.of(verdicts) == Streak.of(conclusive)


@given(VERDICTS)
def test_a_streak_says_its_runs(verdicts: list[Verdict]) -> None:
    runs = [len(run) for run in "".join(verdict[0] for verdict in verdicts if verdict is not INCONCLUSIVE).split("g")]
    assert Streak.of(verdicts) == Streak(runs[0], max(runs), runs[-1], any_good=len(runs) > 1)


def test_an_empty_batch_changes_nothing_even_at_the_threshold() -> None:
    assert Consecutive(3).decide(3, Streak()) == (3, False)
    assert Consecutive(3).decide(9, Streak.of([INCONCLUSIVE])) == (9, False)


@pytest.mark.parametrize("failures", [0, -1, 1.5, True, "3", None, 2**63])
def test_a_policy_that_could_never_trip_right_is_refused(failures: object) -> None:
    with pytest.raises(InvalidArgumentError, match="failure_threshold must be an integer"):
        Consecutive(failures)  # type: ignore[arg-type]


@given(SCORES)
def test_a_score_equal_to_the_threshold_is_never_bad(threshold: float) -> None:
    assert judge(threshold, threshold) is GOOD
    assert reaches(threshold, threshold)


@given(st.floats(1e-300, 1e300), st.floats(-1e-10, 1e-10))
def test_a_score_equal_up_to_rounding_noise_is_never_bad_and_always_reaches(threshold: float, noise: float) -> None:
    score = threshold * (1 + noise)
    assert judge(score, threshold) is GOOD
    assert reaches(score, threshold)


@given(st.floats(1e-300, 1e300), st.floats(1e-8, 10))
def test_a_score_above_the_noise_is_bad(threshold: float, more: float) -> None:
    assert judge(threshold * (1 + more), threshold) is BAD
    assert reaches(threshold * (1 + more), threshold)
    assert judge(threshold, threshold * (1 + more)) is GOOD
    assert not reaches(threshold, threshold * (1 + more))


@given(st.floats(0, 1e300, exclude_min=True))
def test_a_threshold_of_zero_is_honoured_for_the_least_score(score: float) -> None:
    assert judge(score, 0.0) is BAD
    assert judge(0.0, 0.0) is GOOD
    assert judge(-0.0, 0.0) is GOOD
    assert reaches(0.0, 0.0)


@given(SCORES, SCORES, SCORES)
def test_a_worse_score_is_never_judged_better(score: float, more: float, threshold: float) -> None:
    low, high = sorted((score, more))
    if judge(low, threshold) is BAD:
        assert judge(high, threshold) is BAD
    if reaches(low, threshold):
        assert reaches(high, threshold)


@given(SCORES, SCORES)
def test_what_is_bad_has_reached_its_threshold(score: float, threshold: float) -> None:
    if judge(score, threshold) is BAD:
        assert reaches(score, threshold)


def test_prices_that_differ_by_exactly_the_threshold_get_one_verdict_for_all_rows() -> None:
    """A third of such rows lie a rounding error above 0.2 when compared as bare floats."""
    prices = [cents / 100 for cents in range(1, 20_001)]
    scores = [abs(price * 1.2 - price) / price for price in prices]
    assert len({score > 0.2 for score in scores}) == 2, "bare floats disagree: the case is real"
    assert {judge(score, 0.2) for score in scores} == {GOOD}
    assert {reaches(score, 0.2) for score in scores} == {True}


@given(st.floats(0.0001, 1e6), st.sampled_from([0.01, 0.05, 0.1, 0.2, 0.5]))
def test_rows_at_the_threshold_are_good_for_every_price(price: float, threshold: float) -> None:
    new = price * (1 + threshold)
    score = abs(new - price) / price
    assert math.isclose(score, threshold, rel_tol=1e-9)
    assert judge(score, threshold) is GOOD


@given(VERDICTS, VERDICTS)
def test_two_batches_together_are_the_batch_of_all(first: list[Verdict], second: list[Verdict]) -> None:
    assert Streak.of(first).followed_by(Streak.of(second)) == Streak.of(first + second)


def observations() -> st.SearchStrategy[list[Observation]]:
    one = st.builds(
        Observation, score=SCORES, verdict=st.sampled_from(Verdict), details=st.just({}), samples=st.integers(1, 5)
    )
    return st.lists(one, max_size=12)


@given(observations(), observations())
def test_a_batch_that_is_added_to_another_comes_to_the_same_as_its_observations(
    first: list[Observation], second: list[Observation]
) -> None:
    added, together = Batch.of(first), Batch.of(first + second)
    added.extend(Batch.of(second))
    for part in Batch.__slots__:
        assert getattr(added, part) == getattr(together, part)
    assert added.worst is together.worst or added.worst == together.worst


@given(observations())
def test_a_batch_tells_of_the_first_of_its_worst_bad_ones_and_of_its_highest_good_one(made: list[Observation]) -> None:
    batch = Batch.of(made)
    bad = [each for each in made if each.verdict is BAD]
    assert batch.worst is (max(bad, key=lambda each: each.score) if bad else None)
    assert batch.highest_good == max((each.score for each in made if each.verdict is GOOD), default=None)
    assert batch.samples == sum(each.samples for each in made)


@pytest.mark.parametrize(
    ("score", "warning", "said"),
    [
        (0.14, 0.15, False),
        (0.15, 0.15, True),
        (0.2, 0.15, True),
        (0.21, 0.15, False),
        (0.2, 0.2, False),
        (0.2, 0.3, False),
        (0.2, None, False),
    ],
)
def test_a_score_that_is_not_bad_warns_from_the_warning_on(score: float, warning: float | None, said: bool) -> None:
    assert warns(score, warning, 0.2) is said
