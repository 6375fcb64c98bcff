"""Takes a structure apart, one level at a time."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple

#: Stands where one side has nothing.
ABSENT: Final = object()


class Parts(NamedTuple):
    """What lies one level below: by name, or else by position."""

    named: bool
    items: dict[Any, object]


def take_apart(value: object, most: int) -> Parts | None:
    """Return the parts of a mapping, a dataclass or a sequence, the first `most` of them; None for everything else.

    Raises whatever looking at them raises.
    """
    if isinstance(value, Mapping):
        return Parts(True, _first(value.items(), most))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return Parts(True, {each.name: getattr(value, each.name) for each in dataclasses.fields(value)})
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes, bytearray, memoryview, range)):
        return Parts(False, _first(enumerate(value), most))
    return None


def _first(items: Iterable[tuple[Hashable, object]], most: int) -> dict[Any, object]:
    return dict(islice(items, most))
