"""Every check returns the value to use, or says what was wrong, with what value, and what would be right."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import IntEnum, StrEnum
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftbreaker.checks import (
    EARLIEST,
    LATEST,
    MAX_INTEGER,
    check_actor,
    check_count,
    check_flag,
    check_generation,
    check_instant,
    check_key,
    check_limit,
    check_reason,
    check_score,
    check_threshold_count,
    check_threshold_score,
    check_ttl,
    check_until,
)
from driftbreaker.errors import InvalidArgumentError, NotANumberError

NAN, INF = math.nan, math.inf


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError("no")


class Three(IntEnum):
    THREE = 3


class Word(StrEnum):
    PRICING = "pricing"


class Noon(tzinfo):
    """A time zone that knows no offset: as good as none."""

    def utcoffset(self, _: datetime | None) -> None:
        return None


def refusal(check: Callable[..., Any], *args: Any) -> tuple[type[Exception], str]:
    with pytest.raises(InvalidArgumentError) as caught:
        check(*args)
    return type(caught.value), str(caught.value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, 0.0),
        (0.0, 0.0),
        (7, 7.0),
        (1e308, 1e308),
        (Decimal("0.25"), 0.25),
        (Fraction(1, 4), 0.25),
        (Three.THREE, 3.0),
        (5e-324, 5e-324),
    ],
)
def test_scores_of_every_kind_of_real_number_become_floats(value: Any, expected: float) -> None:
    score = check_score(value)
    assert type(score) is float
    assert score == expected


@pytest.mark.parametrize("value", [NAN, INF, -INF, -1, -0.1, Decimal("NaN"), Decimal("-Infinity"), Decimal("1e400")])
def test_numbers_that_are_no_score_are_shown_in_the_refusal(value: Any) -> None:
    sentence = f"drift_score must be a finite number >= 0, got {value!r}: nothing was counted"
    assert refusal(check_score, value) == (InvalidArgumentError, sentence)


@pytest.mark.parametrize("value", [10**400, Fraction(10**400), Decimal("sNaN")])
def test_numbers_that_no_float_can_hold_are_refused(value: Any) -> None:
    kind, sentence = refusal(check_score, value)
    assert kind is InvalidArgumentError
    assert sentence.startswith("drift_score must be a number that fits a float, got ")


@pytest.mark.parametrize("value", [True, False, "0.5", b"1", None, 1j, [0.5], object(), Unprintable()])
def test_what_is_no_number_at_all_is_a_type_error_and_a_value_error(value: Any) -> None:
    kind, sentence = refusal(check_score, value)
    assert kind is NotANumberError
    assert issubclass(kind, TypeError)
    assert issubclass(kind, ValueError)
    assert sentence.startswith("drift_score must be a finite number >= 0, got ")


def test_a_value_that_cannot_print_itself_is_shown_by_its_type() -> None:
    assert refusal(check_score, Unprintable())[1].endswith("got <Unprintable>")
    assert refusal(check_count, 10**5000, "count", 0)[1].endswith("got <int>")


def test_a_value_that_prints_a_novel_is_shown_in_part() -> None:
    kind, sentence = refusal(check_score, "x" * 10_000)
    assert kind is NotANumberError
    assert len(sentence) < 250
    assert sentence.endswith("…")


def test_the_name_of_the_argument_stands_in_the_refusal() -> None:
    assert refusal(check_score, -1, "score")[1].startswith("score must be")
    assert refusal(check_count, 0, "sample_count", 1)[1].startswith("sample_count must be")


@pytest.mark.parametrize(("value", "least"), [(1, 1), (0, 0), (MAX_INTEGER, 1), (Three.THREE, 1)])
def test_counts_in_range_become_plain_integers(value: int, least: int) -> None:
    count = check_count(value, "count", least)
    assert type(count) is int
    assert count == value


@pytest.mark.parametrize("value", [1.5, 1.0, NAN, INF, Decimal(1), Decimal("NaN"), Fraction(1, 2)])
def test_numbers_that_are_not_whole_by_type_are_no_counts(value: Any) -> None:
    assert refusal(check_count, value, "count", 1) == (
        InvalidArgumentError,
        f"count must be an integer >= 1, got {value!r}",
    )


@pytest.mark.parametrize("value", [True, "1", None, 1j, b"1", [1]])
def test_what_is_no_number_at_all_is_no_count(value: Any) -> None:
    assert refusal(check_count, value, "count", 1) == (
        NotANumberError,
        f"count must be an integer >= 1, got {value!r}",
    )


@pytest.mark.parametrize("value", [0, -1, 2**63, 10**400])
def test_counts_out_of_range_are_refused(value: int) -> None:
    kind, sentence = refusal(check_count, value, "count", 1)
    assert kind is InvalidArgumentError
    assert sentence.startswith("count must be an integer from 1 to 2^63 - 1, got ")


@pytest.mark.parametrize("value", [0, -1, 2**63, 1.5, 3.0, True, "3", NAN, None, Decimal(3)])
def test_thresholds_that_count_are_integers_from_one(value: Any) -> None:
    kind, sentence = refusal(check_threshold_count, value, "failure_threshold")
    assert kind is InvalidArgumentError
    assert sentence.startswith("failure_threshold must be an integer")
    assert sentence.endswith(f"got {value!r}")


@pytest.mark.parametrize("value", [NAN, INF, -INF, -0.1, -1, True, "0.2", None, 1j, 10**400, Decimal("NaN")])
def test_thresholds_of_scores_are_finite_and_not_negative(value: Any) -> None:
    kind, sentence = refusal(check_threshold_score, value, "drift_threshold")
    assert kind is InvalidArgumentError
    assert sentence.startswith("drift_threshold must be a ")
    assert ", got " in sentence


@pytest.mark.parametrize("value", [0, 0.0, 0.2, 5, Decimal("0.2"), Fraction(1, 5)])
def test_thresholds_of_scores_become_floats_and_zero_is_honoured(value: Any) -> None:
    threshold = check_threshold_score(value, "drift_threshold")
    assert type(threshold) is float
    assert threshold == float(value)


@pytest.mark.parametrize("value", [0, 1, "yes", None])
def test_flags_are_true_or_false_and_nothing_like_it(value: Any) -> None:
    assert refusal(check_flag, value, "auto_recover")[1] == f"auto_recover must be True or False, got {value!r}"


@pytest.mark.parametrize(
    "value", [timedelta(0), timedelta(seconds=-1), timedelta(days=36_501), timedelta.max, 3600, "1h"]
)
def test_times_to_live_that_cannot_be_are_refused(value: Any) -> None:
    kind, sentence = refusal(check_ttl, value)
    assert kind is InvalidArgumentError
    assert sentence == (f"ttl must be a timedelta above zero and up to 36500 days, or None for no end, got {value!r}")


@pytest.mark.parametrize("value", [None, timedelta(microseconds=1), timedelta(days=36_500)])
def test_times_to_live_up_to_a_century_are_taken(value: timedelta | None) -> None:
    assert check_ttl(value) == value


@pytest.mark.parametrize("value", [-1, 2**63, 1.5, True, "10", None])
def test_limits_are_integers_from_zero(value: Any) -> None:
    kind, sentence = refusal(check_limit, value)
    assert kind is InvalidArgumentError
    assert re.fullmatch(rf"limit must be an integer .*, got {re.escape(repr(value))}", sentence)


def test_a_limit_of_nothing_is_taken() -> None:
    assert check_limit(0) == 0


@pytest.mark.parametrize("value", [-1, 2**63, 1.5, True, "1"])
def test_generations_are_integers_from_zero_or_none(value: Any) -> None:
    kind, sentence = refusal(check_generation, value)
    assert kind is InvalidArgumentError
    assert sentence.startswith("generation must be an integer")
    assert check_generation(None) is None
    assert check_generation(0) == 0


@pytest.mark.parametrize("name", ["x", "x" * 200, "日本", "a b/c", Word.PRICING, "😀" * 200, " "])
def test_names_of_one_to_two_hundred_characters_are_taken(name: str) -> None:
    key = check_key(name, name)
    assert key == (name, name)
    assert type(key.name) is str


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "name must have 1 to 200 characters, got 0: ''"),
        ("x" * 201, "name must have 1 to 200 characters, got 201: 'xxx"),
        ("a\x00b", r"name must not hold NUL or lone surrogates, got 'a\x00b'"),
        ("a\ud800b", r"name must not hold NUL or lone surrogates, got 'a\ud800b'"),
        (None, "name must be text of 1 to 200 characters, got None"),
        (7, "name must be text of 1 to 200 characters, got 7"),
        (b"pricing", "name must be text of 1 to 200 characters, got b'pricing'"),
    ],
)
def test_names_that_cannot_be_are_refused(name: Any, said: str) -> None:
    kind, sentence = refusal(check_key, name, "")
    assert kind is InvalidArgumentError
    assert sentence.startswith(said)
    if name != "":
        assert refusal(check_key, "pricing", name)[1].startswith("scope must")


@pytest.mark.parametrize("value", ["", " ", "\t\n", "\u2003", None, 7, b"because"])
@pytest.mark.parametrize(("check", "what"), [(check_reason, "reason"), (check_actor, "actor")])
def test_blank_reasons_and_actors_are_refused(check: Callable[[object], str], what: str, value: Any) -> None:
    assert refusal(check, value) == (
        InvalidArgumentError,
        f"{what} must be text that is not blank, got {value!r}",
    )


@pytest.mark.parametrize(("check", "limit"), [(check_reason, 4_096), (check_actor, 200)])
def test_reasons_and_actors_of_any_length_are_cleaned_and_cut(check: Callable[[object], str], limit: int) -> None:
    assert check("a\x00b\ud800c") == "a\ufffdb\ufffdc"
    assert check("x" * limit) == "x" * limit
    cut = check("x" * 1_000_000)
    assert len(cut) == limit
    assert cut.endswith("x…")


def test_an_instant_is_answered_in_utc() -> None:
    berlin = timezone(timedelta(hours=2))
    instant = check_instant(datetime(2026, 7, 1, 14, 0, 0, 5, tzinfo=berlin), "until")
    assert instant == datetime(2026, 7, 1, 12, 0, 0, 5, tzinfo=UTC)
    assert instant.tzinfo is UTC


@pytest.mark.parametrize("value", [datetime(2026, 1, 1), datetime(2026, 1, 1, tzinfo=Noon())])  # noqa: DTZ001
def test_an_instant_without_a_time_zone_is_refused_with_the_way_out(value: datetime) -> None:
    kind, sentence = refusal(check_until, value)
    assert kind is InvalidArgumentError
    assert sentence.startswith("until must have a time zone, got the naive datetime.datetime(2026, 1, 1, 0, 0")
    assert sentence.endswith(": use datetime.now(UTC) and the like")


@pytest.mark.parametrize("value", ["2026-01-01", 0, datetime(2026, 1, 1, tzinfo=UTC).date(), timedelta(hours=1)])
def test_what_is_no_datetime_is_no_instant(value: Any) -> None:
    sentence = f"until must be a datetime with a time zone, got {value!r}"
    assert refusal(check_until, value) == (InvalidArgumentError, sentence)


EAST, WEST = timezone(timedelta(hours=14)), timezone(timedelta(hours=-12))


@pytest.mark.parametrize(
    "value",
    [
        datetime.max.replace(tzinfo=UTC),
        datetime.max.replace(tzinfo=WEST),
        datetime.min.replace(tzinfo=UTC),
        datetime.min.replace(tzinfo=EAST),
        LATEST,
        EARLIEST - timedelta(microseconds=1),
    ],
)
def test_instants_that_some_time_zone_could_not_show_are_refused(value: datetime) -> None:
    kind, sentence = refusal(check_until, value)
    assert kind is InvalidArgumentError
    assert sentence.startswith("until must lie between 0001-01-02 and 9999-12-30 in UTC, got datetime.datetime(")


@given(st.datetimes(EARLIEST.replace(tzinfo=None), (LATEST - timedelta(microseconds=1)).replace(tzinfo=None)))
def test_every_instant_between_the_extremes_is_taken_as_it_is(naive: datetime) -> None:
    instant = naive.replace(tzinfo=UTC)
    assert check_instant(instant, "until") == instant


@given(st.one_of(st.integers(), st.floats(), st.decimals(), st.fractions(), st.text(), st.none(), st.complex_numbers()))
def test_a_score_is_finite_and_not_negative_or_refused_with_our_error(value: Any) -> None:
    try:
        score = check_score(value)
    except InvalidArgumentError as error:
        assert "drift_score must be " in str(error)  # noqa: PT017
    else:
        assert math.isfinite(score)
        assert score >= 0
