"""Structures, field by field: what differs counts, what is ignored does not, and nothing hangs it."""

from __future__ import annotations

import copy
import time
from collections import OrderedDict, UserDict, UserList, deque, namedtuple
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftbreaker.errors import InvalidArgumentError
from driftbreaker.scores import MAX_SCORE, ScoreFunction, Unusable, UnusableScoreError, field_by_field, relative_delta
from tests.support.odd import HOSTILES, ODD, hostile

share = field_by_field()
worst = field_by_field(combine="max")
by_number = field_by_field(score=relative_delta(), combine="max")

LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(max_size=5), st.floats(allow_nan=False, allow_infinity=False)
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=3), inner, max_size=4)),
    max_leaves=12,
)


@dataclass
class Usage:
    prompt: int
    answer: int = 0
    tags: list[str] = field(default_factory=list)


class Endless(Sequence[int]):
    """Says that it has no end, and has none."""

    def __len__(self) -> int:
        return 2**62

    def __getitem__(self, _: Any) -> Any:
        return 1


class BadName:
    def __str__(self) -> str:
        raise RuntimeError("no name")


class BadItems(dict[str, int]):
    def items(self) -> Any:
        raise RuntimeError("no items")


def kind_of(score: ScoreFunction, control: object, candidate: object) -> Unusable:
    with pytest.raises(UnusableScoreError) as raised:
        score(control, candidate)
    return raised.value.kind


@given(JSON)
def test_a_structure_agrees_with_its_copy(answer: Any) -> None:
    for score in (share, worst, by_number):
        assert score(answer, copy.deepcopy(answer)) == 0.0


@given(JSON, JSON)
def test_structures_agree_only_when_python_calls_them_equal(control: Any, candidate: Any) -> None:
    for score in (share, worst):
        assert (score(control, candidate) == 0) is (control == candidate)
        assert score(control, candidate) == score(candidate, control)
    assert 0 <= share(control, candidate) <= 1


def test_the_score_is_the_share_of_differing_leaves() -> None:
    control = {"model": "a", "usage": {"prompt": 1, "answer": 2}, "parts": ["x", "y"]}
    candidate = {"model": "a", "usage": {"prompt": 1, "answer": 3}, "parts": ["x", "y"]}
    assert share(control, candidate) == 0.2
    assert worst(control, candidate) == 1.0
    assert share({"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 0, "c": 0}) == 2 / 3
    assert share(1, 2) == 1.0


def test_any_leaf_score_above_zero_is_a_difference() -> None:
    score = field_by_field(score=relative_delta())
    assert score([1, 1, 1, 1], [1, 1, 1, Decimal("1.001")]) == 0.25
    assert score([1.0, 1.0], [1.0, 1.0 + 1e-15]) == 0.0


def test_the_worst_leaf_counts() -> None:
    assert by_number({"a": 10, "b": [1, 5]}, {"a": 11, "b": [1, 6]}) == 0.2
    assert by_number({"a": 10, "b": [1, 5]}, {"a": 15, "b": [1, 6]}) == 0.5


def test_leaves_that_are_no_numbers_are_compared_as_they_are() -> None:
    record = {"model": "gpt-4", "cached": True, "cost": Decimal(10)}
    assert by_number(record, {**record, "cost": Decimal(12)}) == 0.2
    assert by_number(record, {**record, "model": "gpt-5"}) == MAX_SCORE
    assert by_number(record, {**record, "cached": False}) == MAX_SCORE
    assert by_number(record, {**record, "cost": "10"}) == MAX_SCORE
    assert by_number(record, {**record, "cost": None}) == MAX_SCORE


@pytest.mark.parametrize(
    ("control", "candidate", "expected"),
    [
        ({"a": 1, "b": 2}, {"a": 1}, 0.5),
        ({"a": 1}, {"a": 1, "b": 2}, 0.5),
        ({"a": None}, {}, 1.0),
        ([1, 2, 3, 4], [1, 2], 0.5),
        ([1, 2], [1, 2, 3, 4], 0.5),
        ([1, 2, 3, 4], [0, 1, 2, 3], 1.0),  # by position
        ({"a": 1, "b": [1, 2]}, {"a": 1}, 0.75),  # itself, and both leaves below it
        ({"a": 1, "b": {"c": {"d": 1}}}, {"a": 1, "b": None}, 0.75),
        ({"a": 1, "b": [1, 2]}, {"a": 1, "b": {0: 1, 1: 2}}, 5 / 6),
        ({"a": 1, "b": []}, {"a": 1}, 0.5),
        ({"a": 1, "b": []}, {"a": 1, "b": {}}, 0.5),
        ({"a": 1, "b": []}, {"a": 2, "b": []}, 0.5),
        ({}, {}, 0.0),
        ([], {}, 1.0),
        ({}, None, 1.0),
        ("ab", ["a", "b"], 1.0),
        ({1: "x"}, {"1": "x"}, 1.0),
    ],
)
def test_what_one_side_lacks_differs_with_every_leaf_below(control: Any, candidate: Any, expected: float) -> None:
    assert share(control, candidate) == expected
    assert share(candidate, control) == expected


def test_what_is_missing_is_as_bad_as_can_be() -> None:
    for control, candidate in (({"a": 1}, {}), ([1], [1, 2]), ({"a": []}, {"a": {}}), ({}, None), ({"a": None}, {})):
        for score in (worst, by_number):
            assert score(control, candidate) == score(candidate, control) == MAX_SCORE


Pair = namedtuple("Pair", "a b")


@pytest.mark.parametrize(
    ("control", "candidate"),
    [
        ({"prompt": 1, "answer": 2, "tags": ["x"]}, Usage(1, 2, ["x"])),
        (Usage(1), Usage(1)),
        (OrderedDict(a=1, b=2), {"b": 2, "a": 1}),
        (MappingProxyType({"a": 1}), UserDict({"a": 1})),
        ((1, 2), [1, 2]),
        (Pair(1, 2), (1, 2)),
        (deque([1, 2]), UserList([1, 2])),
        (range(3), range(3)),
        ({1, 2}, {2, 1}),
        (Usage, Usage),
    ],
    ids=str,
)
def test_shape_counts_and_type_does_not(control: Any, candidate: Any) -> None:
    assert share(control, candidate) == 0.0


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview], ids=lambda kind: kind.__name__)
def test_text_and_bytes_are_one_leaf(kind: Any) -> None:
    assert share(kind(b"abcd"), kind(b"abcx")) == share("abcd", "abcx") == 1.0
    assert share(range(10), range(11)) == 1.0


def test_dataclasses_are_compared_by_their_fields() -> None:
    assert share(Usage(1, 2, ["a"]), Usage(1, 3, ["a"])) == 1 / 3
    assert field_by_field(ignore=["answer"])(Usage(1, 2, ["a"]), Usage(1, 3, ["a"])) == 0.0


@pytest.mark.parametrize(
    ("ignore", "differs"),
    [
        (["meta.id"], True),
        (["items.*.ts"], True),
        (["meta.id", "items.*.ts"], False),
        (("meta", "items.*.ts"), False),
        (["meta.*", "items.0.ts", "items.1.ts"], False),
        (["meta.id", "items.0.ts"], True),
        (["*.id", "*.*.ts"], False),
        (["meta.id", "items"], False),
        (["*"], False),
        (["meta.id.x", "items.*.ts"], True),
        (["id", "ts"], True),
        (["met*", "items"], True),  # a star is a whole name or nothing
    ],
)
def test_ignored_paths_are_left_out_with_all_below(ignore: Any, differs: bool) -> None:
    control = {"meta": {"id": 1, "v": 2}, "items": [{"ts": 1, "n": 1}, {"ts": 2, "n": 2}]}
    candidate = {"meta": {"id": 2, "v": 2}, "items": [{"n": 1}, {"ts": [3, 4], "n": 2}]}
    assert (field_by_field(ignore=ignore)(control, candidate) > 0) is differs


def test_what_is_ignored_is_not_counted_among_the_leaves() -> None:
    score = field_by_field(ignore=["id"])
    assert score({"id": 1, "a": 1, "b": 2}, {"id": 2, "a": 1, "b": 3}) == 0.5
    assert score({"id": 1}, {}) == score({"id": 1}, {"id": {"id": 2}}) == 0.0
    assert field_by_field(ignore=["a.id"])({"a": {"id": 1}}, {}) == 1.0, "what holds it is missing all the same"


def test_paths_given_once_serve_for_every_pair() -> None:
    score = field_by_field(ignore=(path for path in ["id"]))
    assert [score({"id": 1, "a": 1}, {"id": 2, "a": 1}) for _ in range(2)] == [0.0, 0.0]


def test_a_leaf_that_cannot_be_scored_is_an_error_that_names_its_path() -> None:
    with pytest.raises(
        UnusableScoreError, match=r"the candidate must be finite, got nan \(at items\.1\.cost\)"
    ) as raised:
        by_number({"items": [{"cost": 1}, {"cost": 1}]}, {"items": [{"cost": 1}, {"cost": float("nan")}]})
    assert raised.value.kind is Unusable.NOT_FINITE
    with pytest.raises(UnusableScoreError, match=r"must be finite.*\(at the top\)"):
        by_number(1, float("inf"))
    assert kind_of(field_by_field(score=lambda *_: -1), [1], [1]) is Unusable.NOT_A_SCORE
    assert kind_of(field_by_field(score=lambda a, b: a / b), [1], [0]) is Unusable.FAILED


def test_what_cannot_be_looked_at_is_an_error() -> None:
    for odd in (BadItems(a=1), hostile("Hostile", list)([1]), {BadName(): 1}, {"a": HOSTILES[0]}):
        assert kind_of(share, odd, {"a": 1}) is Unusable.FAILED
        assert kind_of(share, {"a": 1}, odd) is Unusable.FAILED


def nested(levels: int, innermost: Any = 1) -> Any:
    answer = innermost
    for _ in range(levels):
        answer = [answer]
    return answer


def cycle() -> Any:
    answer: list[Any] = [1]
    answer.append(answer)
    return answer


def doubled(levels: int) -> Any:
    """Few objects, and 2**levels ways through them."""
    answer: Any = 1
    for _ in range(levels):
        answer = [answer, answer]
    return answer


def test_a_hundred_levels_and_ten_thousand_fields_are_compared() -> None:
    assert share(nested(100), nested(100)) == share(nested(100, []), nested(100, [])) == 0.0
    assert kind_of(share, nested(101), nested(101)) is Unusable.TOO_LARGE
    assert kind_of(share, nested(101), None) is Unusable.TOO_LARGE
    assert kind_of(share, None, nested(100_000)) is Unusable.TOO_LARGE
    assert share([0] * 10_000, [0] * 9_999 + [1]) == 1e-4
    assert kind_of(share, [0] * 10_001, [0]) is Unusable.TOO_LARGE
    assert kind_of(share, [[0] * 5_000, [0] * 4_999], [[], []]) is Unusable.TOO_LARGE
    assert share([[0] * 5_000, [0] * 4_998], [[0] * 5_000, [0] * 4_998]) == 0.0


def test_fields_of_both_sides_count() -> None:
    assert kind_of(share, dict.fromkeys(range(6_000)), dict.fromkeys(range(5_000, 10_001))) is Unusable.TOO_LARGE
    assert kind_of(share, [0] * 6_000, {"a": [0] * 6_000}) is Unusable.TOO_LARGE


@pytest.mark.parametrize(
    "make",
    [
        cycle,
        lambda: doubled(60),
        lambda: [[0] * 9_999] * 9_999,
        Endless,
        lambda: [Endless()] * 9,
        lambda: nested(9_000),
    ],
    ids=["cycle", "doubled", "lists of lists", "endless", "endless below", "deep"],
)
def test_nothing_hangs_it(make: Any) -> None:
    for pair in ((make(), make()), (make(), None), ({}, make())):
        start = time.process_time()
        assert kind_of(by_number, *pair) is Unusable.TOO_LARGE
        assert time.process_time() - start < 5


def test_objects_that_hold_each_other_are_leaves() -> None:
    class Node:
        other: Node

    node = Node()
    node.other = node
    assert share([node], [node]) == 0.0
    assert share([node], [Node()]) == 1.0, "compared as they compare themselves: by identity"


@given(ODD, ODD)
def test_whatever_the_answers_are_there_is_a_score_or_an_error_of_ours(one: Any, other: Any) -> None:
    for score in (share, by_number):
        try:
            assert 0 <= score(one, other) <= MAX_SCORE
        except UnusableScoreError:
            continue


@pytest.mark.parametrize(
    "ignore", ["meta.id", "id", b"id", None, 1, [1], [None], [""], ["a..b"], [".a"], ["a."], ["a", ""]], ids=repr
)
def test_what_is_no_list_of_paths_is_refused(ignore: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="ignore"):
        field_by_field(ignore=ignore)


def test_other_arguments_are_checked() -> None:
    with pytest.raises(InvalidArgumentError, match="combine must be 'share' or 'max', got 'mean'"):
        field_by_field(combine="mean")  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError, match="score must be callable"):
        field_by_field(score=1)  # type: ignore[arg-type]
