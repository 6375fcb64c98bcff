"""Makes any text and any details storable, so that odd evidence never costs a trip."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Iterable, Mapping
from datetime import date, time
from typing import Any

MAX_REASON = 4_096
MAX_WHY = 1_024
MAX_ACTOR = 200
MAX_DEPTH = 20
MAX_NODES = 10_000
MAX_BYTES = 64 * 1024
MARK = "…"  # stands where something was cut

# PostgreSQL stores no NUL, and neither database stores half of a surrogate pair.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
# Wider integers than this cost more than they say, and Python refuses to print very wide ones.
_MAX_INTEGER_BITS = 128


def clean_text(text: str, limit: int) -> str:
    """Return `text` as both databases can hold it: NUL and lone surrogates replaced, cut with a mark at `limit`."""
    plain = _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text[: limit + 1])
    return plain if len(plain) <= limit else plain[: limit - 1] + MARK


def fit_text(text: str, room: int, *, whole: bool = False) -> str:
    """Return `text`, cleaned, such that its JSON takes at most `room` bytes: cut with a mark, or empty.

    What is only of use as a `whole` is not cut but left out.
    """
    plain = clean_text(text, len(text) + 1)
    if len(to_json(plain).encode()) <= room:
        return plain
    least, most = 0, 0 if whole else min(len(plain), max(room, 0))
    while least < most:
        middle = (least + most + 1) // 2
        if len(to_json(clean_text(plain, middle)).encode()) <= room:
            least = middle
        else:
            most = middle - 1
    return clean_text(plain, least) if least else ""


def clean_details(details: object) -> dict[str, Any]:
    """Copy `details` into what JSON can hold; never raises.

    Mappings, lists, tuples, text, numbers, booleans and None stay what they are; everything else becomes text
    (datetimes, sets, bytes, NaN, odd objects, keys that are not text). What is too much is cut with a mark: below
    20 levels, after 10,000 nodes, beyond 64 KiB of stored JSON. What is no mapping is kept under ``"value"``.
    """
    if details is None:
        return {}
    copied = _Copier().copy(details, 0)
    # Copied once more inside its wrapper, which is a level and some bytes of its own.
    return copied if isinstance(copied, dict) else _Copier().copy({"value": copied}, 0)


def to_json(value: object) -> str:
    """Write cleaned details as the JSON that is stored."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def weight_of(cleaned: object) -> int:
    """Return how many bytes of memory cleaned details take."""
    weight = sys.getsizeof(cleaned)
    if isinstance(cleaned, dict):
        return weight + sum(weight_of(key) + weight_of(each) for key, each in cleaned.items())
    if isinstance(cleaned, list):
        return weight + sum(map(weight_of, cleaned))
    return weight


class _Copier:
    """Copies one structure within a budget of nodes and of bytes of JSON."""

    def __init__(self) -> None:
        self._nodes = MAX_NODES
        # Behind what is counted there is room for the marks of all 21 levels, 12 bytes each, and one wide number.
        self._bytes = MAX_BYTES - 512

    def copy(self, value: object, depth: int) -> Any:
        self._nodes -= 1
        # A cut node still costs its mark.
        if depth > MAX_DEPTH or self._nodes < 0 or self._bytes < len(MARK.encode()) + 3:
            self._bytes -= len(MARK.encode()) + 3
            return MARK
        try:
            return self._copied(value, depth)
        except Exception:  # noqa: BLE001  what fails to be read, even by isinstance(), is still worth its name
            return self._text(_as_text(value))

    def _copied(self, value: object, depth: int) -> Any:
        # By identity: what only says it is a bool, as mocks do, json refuses, and that would cost the transaction.
        if value is None or value is True or value is False:
            self._bytes -= 6
            return value
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, (int, float)):
            return self._number(value)
        if isinstance(value, Mapping):
            return self._mapping(value, depth)
        if isinstance(value, (list, tuple)):
            return self._sequence(value, depth)
        return self._text(_as_text(value))

    def _mapping(self, value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        copied: dict[str, Any] = {}
        self._bytes -= 2
        for key, each in value.items():
            if self._spent():
                copied[MARK] = MARK
                break
            text = self._text(key if isinstance(key, str) else _as_text(key))
            self._bytes -= 2
            copied[text] = self.copy(each, depth + 1)
        return copied

    def _sequence(self, value: Iterable[Any], depth: int) -> list[Any]:
        copied: list[Any] = []
        self._bytes -= 2
        for each in value:
            if self._spent():
                copied.append(MARK)
                break
            self._bytes -= 1
            copied.append(self.copy(each, depth + 1))
        return copied

    def _spent(self) -> bool:
        return self._nodes <= 0 or self._bytes <= 16

    def _text(self, value: str) -> str:
        text = clean_text(str.__str__(value), max(self._bytes, 1))
        cost = len(to_json(text).encode())
        while cost > self._bytes and len(text) > 1:
            # Multi-byte and escaped characters cost more than one byte each: cut in proportion, then look again.
            keep = max(1, len(text) * max(self._bytes, 1) // (cost + 1))
            text = clean_text(text, min(keep, len(text) - 1))
            cost = len(to_json(text).encode())
        self._bytes -= cost
        return text

    def _number(self, value: float) -> Any:
        if isinstance(value, int):
            whole = int(value)
            if whole.bit_length() > _MAX_INTEGER_BITS:
                return self._text(hex(whole))
            self._bytes -= len(str(whole))
            return whole
        plain = float(value)
        if not math.isfinite(plain):
            return self._text(str(plain))
        self._bytes -= len(repr(plain))
        return plain


def _as_text(value: object) -> str:
    try:
        if isinstance(value, (bytes, bytearray)):
            return bytes(value[: MAX_BYTES + 1]).decode("utf-8", "replace")
        if isinstance(value, (date, time)):
            return value.isoformat()
        return str(value)
    except Exception:  # noqa: BLE001  an object that cannot even say its name must not cost the trip
        return f"<{type(value).__name__}>"
