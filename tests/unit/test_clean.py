"""Odd evidence never costs a trip: whatever is given, something storable comes out."""

from __future__ import annotations

import json
import weakref
from collections import OrderedDict, UserDict
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftbreaker.clean import MARK, MAX_BYTES, MAX_DEPTH, MAX_NODES, clean_details, clean_text, to_json, weight_of
from tests.support.odd import HOSTILES


class Silent:
    """Says nothing about itself, not even its name."""

    def __str__(self) -> str:
        raise RuntimeError("no str")

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class NoClass:
    """A proxy to something gone, like those of web frameworks outside a request: even isinstance() raises."""

    @property
    def __class__(self) -> Any:
        raise RuntimeError("outside of a request")


class BadMapping(Mapping[str, Any]):
    def __getitem__(self, key: str) -> Any:
        raise OSError(key)

    def __iter__(self) -> Iterator[str]:
        yield "first"

    def __len__(self) -> int:
        return 1

    def __str__(self) -> str:
        return "a mapping that cannot be read"


class Endless(Mapping[str, int]):
    def __getitem__(self, key: str) -> int:
        return 1

    def __iter__(self) -> Iterator[str]:
        number = 0
        while True:
            yield f"key {number}"
            number += 1

    def __len__(self) -> int:
        return 1


class BadFloat(float):
    def __float__(self) -> float:
        raise ValueError("no")


class Level(IntEnum):
    HIGH = 3


class Colour(Enum):
    RED = "red"


def stored(details: object) -> dict[str, Any]:
    """What is read back from what is stored."""
    text = to_json(clean_details(details))
    assert len(text.encode()) <= MAX_BYTES
    back: dict[str, Any] = json.loads(text)
    return back


def nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {"bottom": True}
    for _ in range(levels):
        value = {"down": value}
    return value


@pytest.mark.parametrize(
    "details",
    [
        {},
        {"a": 1, "b": [1.5, True, None, "text", {"c": []}]},
        {"": "empty key", "日本": "😀"},
        {"wide": 2**127, "small": -5, "float": 1e300},
    ],
)
def test_what_json_can_hold_is_kept_as_it_is(details: dict[str, Any]) -> None:
    assert stored(details) == details


AS_TEXT: dict[str, tuple[Any, Any]] = {
    "datetime": (datetime(2026, 1, 2, 3, 4, tzinfo=UTC), "2026-01-02T03:04:00+00:00"),
    "date": (date(2026, 1, 2), "2026-01-02"),
    "time": (time(3, 4), "03:04:00"),
    "timedelta": (timedelta(hours=1), "1:00:00"),
    "set": ({7}, "{7}"),
    "bytes": (b"bytes", "bytes"),
    "bytes that are no text": (bytearray(b"\xff\x00"), "\ufffd\ufffd"),
    "NaN": (float("nan"), "nan"),
    "infinity": (float("-inf"), "-inf"),
    "Decimal": (Decimal("1.10"), "1.10"),
    "complex": (1 + 2j, "(1+2j)"),
    "UUID": (UUID(int=7), "00000000-0000-0000-0000-000000000007"),
    "enum": (Colour.RED, "Colour.RED"),
    "integer enum": (Level.HIGH, 3),
    "wide integer": (2**128, "0x1" + "0" * 32),
    "unprintable integer": (-(10**5000), hex(-(10**5000))),
    "tuple": ((1, 2), [1, 2]),
    "ordered mapping": (OrderedDict(a=1), {"a": 1}),
    "user's mapping": (UserDict(a=1), {"a": 1}),
    "NUL and half a surrogate pair": ("a\x00b\ud800", "a\ufffdb\ufffd"),
    "object without str": (Silent(), "<Silent>"),
    "object without class": (NoClass(), "<NoClass>"),
    "mapping that cannot be read": (BadMapping(), "a mapping that cannot be read"),
    "float that cannot be read": (BadFloat(1.5), "1.5"),
}


@pytest.mark.parametrize("kind", AS_TEXT)
def test_what_json_cannot_hold_is_kept_as_text(kind: str) -> None:
    value, kept = AS_TEXT[kind]
    assert stored({"value": value}) == {"value": kept}
    assert stored([value]) == {"value": [kept]}


def test_a_reference_to_something_gone_is_kept_as_text() -> None:
    gone = weakref.proxy(Silent())
    assert stored({"value": gone}) == {"value": f"<{type(gone).__name__}>"}


@pytest.mark.parametrize(
    ("key", "kept"),
    [
        ((1, 2), "(1, 2)"),
        (7, "7"),
        (None, "None"),
        (Silent(), "<Silent>"),
        ("a\x00", "a\ufffd"),
        (b"k", "k"),
    ],
)
def test_keys_that_are_no_text_become_text(key: Any, kept: str) -> None:
    assert stored({key: 1}) == {kept: 1}


@pytest.mark.parametrize("details", ["text", 7, [1, 2], True, Silent(), {7}])
def test_what_is_no_mapping_is_kept_under_value(details: Any) -> None:
    assert list(stored(details)) == ["value"]


def test_no_details_are_an_empty_mapping() -> None:
    assert clean_details(None) == {}


def test_twenty_levels_are_kept_and_what_lies_below_is_cut_with_the_mark() -> None:
    assert stored(nested(MAX_DEPTH - 1)) == nested(MAX_DEPTH - 1)
    value: Any = stored(nested(30))
    levels = 0
    while isinstance(value, dict):
        value = next(iter(value.values()))
        levels += 1
    assert value == MARK
    assert levels in (MAX_DEPTH, MAX_DEPTH + 1)


def test_cycles_end() -> None:
    cycle: dict[str, Any] = {}
    cycle["again"] = cycle
    cycle["and again"] = [cycle, cycle]
    assert MARK in to_json(stored(cycle))


@pytest.mark.parametrize("many", [list(range(100_000)), dict.fromkeys(map(str, range(100_000)), 1), [[]] * 100_000])
def test_a_hundred_thousand_nodes_are_cut_with_the_mark(many: Any) -> None:
    kept = stored({"many": many})["many"]
    assert len(kept) <= MAX_NODES
    assert (kept[-1] if isinstance(kept, list) else kept[MARK]) == MARK


def test_a_mapping_without_end_ends() -> None:
    assert stored(Endless())[MARK] == MARK


@pytest.mark.parametrize("character", ["x", "é", "日", "😀", '"', "\\", "\n", "\x01", "\x00", "\ud800"])
def test_a_megabyte_of_text_is_cut_with_the_mark_to_what_fits(character: str) -> None:
    kept = stored({"log": character * 1_000_000, "after": 1})
    assert kept["log"].endswith(MARK)
    # Most of the room is used: a cut that leaves next to nothing would be no evidence.
    assert len(to_json(kept).encode()) > MAX_BYTES * 3 // 4


def test_sixty_four_kibibytes_hold_though_every_level_marks_its_own_cut() -> None:
    value: Any = "x" * 1_000_000
    for _ in range(MAX_DEPTH):
        value = {"first": value, "second": 1}
    assert stored(value)["first"]


def test_a_long_key_is_cut_too() -> None:
    (key,) = (key for key in stored({"k" * 1_000_000: 1}) if key != MARK)
    assert key.endswith(MARK)


def test_the_copy_is_the_callers_no_more() -> None:
    details = {"list": [1], "map": {"a": 1}}
    kept = clean_details(details)
    details["list"].append(2)  # type: ignore[attr-defined]
    details["map"]["a"] = 2  # type: ignore[index]
    assert kept == {"list": [1], "map": {"a": 1}}


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters()),
    st.binary(),
    st.decimals(),
    st.datetimes(),
    st.timedeltas(),
    st.uuids(),
    st.complex_numbers(),
    st.frozensets(st.integers()),
    st.just("\ud800\x00"),
    st.sampled_from([2**200, "x" * 70_000, "\x01" * 30_000, "😀" * 20_000]),
)
KEYS = st.one_of(st.text(max_size=5), st.integers(), st.none(), st.tuples(st.integers()), st.just("k" * 70_000))
NESTED = st.recursive(
    ODD,
    lambda inner: st.one_of(
        st.lists(inner, max_size=6),
        st.tuples(inner, inner),
        st.dictionaries(KEYS, inner, max_size=6),
        st.integers(1, 20_000).map(lambda many: [1.5] * many),
    ),
    max_leaves=30,
)


@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@settings(deadline=None)
@given(NESTED)
def test_anything_becomes_json_of_at_most_64_kib_and_cleaning_again_changes_nothing(details: Any) -> None:
    before = repr(details)
    cleaned = clean_details(details)
    text = json.dumps(cleaned, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    assert len(text.encode("utf-8")) <= MAX_BYTES
    assert clean_details(cleaned) == cleaned
    assert json.loads(text) == cleaned
    assert repr(details) == before, "the caller's own is not touched"


@pytest.mark.parametrize("place", range(len(HOSTILES)))
def test_hostile_objects_become_json_wherever_they_stand(place: int) -> None:
    odd = HOSTILES[place]
    stored(odd)
    assert stored({"list": [odd, 1], "mapping": {"a": {"b": odd}}, "last": True}).keys() == {"list", "mapping", "last"}


@given(st.text(st.characters()), st.integers(1, 50))
def test_cleaned_text_is_storable_and_no_longer_than_asked(text: str, limit: int) -> None:
    cleaned = clean_text(text, limit)
    assert len(cleaned) <= limit
    assert "\x00" not in cleaned
    cleaned.encode("utf-8")
    assert clean_text(cleaned, limit) == cleaned
    if len(text) > limit:
        assert cleaned.endswith(MARK)


@pytest.mark.parametrize(
    ("details", "least", "most"),
    [
        ({}, 0, 500),
        ({"text": "x" * 60_000}, 60_000, 61_000),
        ({"text": "\N{SNOWMAN}" * 10_000}, 20_000, 21_000),
        ({"rows": [{"number": number} for number in range(1_000)]}, 200_000, 400_000),
    ],
    ids=["nothing", "text", "wide text", "many nodes"],
)
def test_what_evidence_takes_is_its_memory_not_its_json(details: dict[str, object], least: int, most: int) -> None:
    assert least <= weight_of(clean_details(details)) <= most
