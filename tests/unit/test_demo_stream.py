from collections import Counter
from datetime import timedelta
from itertools import pairwise
from statistics import mean, median

from driftbreaker.cli.demo.stream import DAYS, FIRST_DAY, MIX, requests


def test_same_seed_is_same_traffic_and_another_seed_is_other_traffic() -> None:
    assert list(requests(50, 1)) == list(requests(50, 1))
    assert list(requests(50, 1)) != list(requests(50, 2))


def test_time_only_moves_forward_and_covers_every_day() -> None:
    times = [request.at for request in requests(DAYS * 5, 3)]

    assert all(earlier < later for earlier, later in pairwise(times))
    assert {at.date() for at in times} == {FIRST_DAY + timedelta(days=n) for n in range(DAYS)}


def test_models_come_in_the_shares_of_the_mix() -> None:
    seen = Counter(request.model for request in requests(20_000, 4))

    for share in MIX:
        assert abs(seen[share.model] / 20_000 - share.weight) < 0.02


def test_tokens_have_a_long_right_tail_and_are_never_zero() -> None:
    tokens = [request.input_tokens for request in requests(20_000, 5)]

    assert min(tokens) >= 1
    assert mean(tokens) > 1.2 * median(tokens)
