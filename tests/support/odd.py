"""Odd values of every kind, for arguments that must be refused or made to work, and never do harm."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

ZONES = ("UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Kiritimati", "Pacific/Apia", "Africa/Monrovia")


EXTREMES = (datetime.min, datetime.max)  # noqa: DTZ901 - naive on purpose


class HostileError(Exception):
    """Raised by hostile objects."""


def refuse(*_: Any, **__: Any) -> Any:
    raise HostileError("hostile")


SPECIAL = """
    str repr eq ne lt le gt ge hash bool float int index len iter getitem contains getattr add radd neg floordiv call
    format trunc
"""
HOSTILE = dict.fromkeys((f"__{name}__" for name in SPECIAL.split()), refuse)
OVERRIDDEN = ("strip", "encode", "lower", "astimezone", "utcoffset", "isoformat", "items", "keys", "get", "replace")


def hostile(name: str, *bases: type) -> Any:
    return type(name, bases, {**HOSTILE, **dict.fromkeys(OVERRIDDEN, refuse)})


class NoClass:
    """Cannot even be asked what it is."""

    @property
    def __class__(self) -> Any:
        raise HostileError("no class")


def liar(kind: type) -> Any:
    """An object that says it is of a kind that it is not of; a failing test can print it all the same."""
    printed = {"_repr_pretty_": lambda _, printer, __: printer.text(f"liar({kind.__name__})")}
    return type("Liar", (), {"__class__": property(lambda _: kind), **printed})()


class YesMan:
    """Equal to everything, true, and as long as you like."""

    __hash__ = object.__hash__

    def __eq__(self, _: object) -> bool:
        return True

    def __bool__(self) -> bool:
        return True

    def __lt__(self, _: object) -> bool:
        return True

    __le__ = __gt__ = __ge__ = __lt__

    def __len__(self) -> int:
        return 7

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *_: Any, **__: Any) -> YesMan:
        return self


class BadZone(tzinfo):
    """A time zone that cannot be asked."""

    def utcoffset(self, _: datetime | None) -> timedelta:
        raise HostileError("no offset")

    def tzname(self, _: datetime | None) -> str:
        raise HostileError("no name")

    def dst(self, _: datetime | None) -> timedelta:
        raise HostileError("no dst")


class NoZone(tzinfo):
    """A time zone that knows no offset: as good as none."""

    def utcoffset(self, _: datetime | None) -> None:
        return None


class Seven(IntEnum):
    """A number that is an enum."""

    SEVEN = 7


class Word(StrEnum):
    """A text that is an enum."""

    PRICING = "pricing"


class Colour(Enum):
    """An enum that is neither."""

    RED = "red"


HOSTILES: tuple[Any, ...] = (
    NoClass(),
    YesMan(),
    hostile("HostileObject", object)(),
    hostile("HostileText", str)("pricing"),
    hostile("HostileInteger", int)(3),
    hostile("HostileFloat", float)(0.5),
    hostile("HostileMapping", dict)(a="b"),
    hostile("HostileList", list)([1]),
    hostile("HostileInterval", timedelta)(hours=1),
    hostile("HostileInstant", datetime)(2027, 1, 1, tzinfo=UTC),
    datetime(2027, 1, 1, tzinfo=BadZone()),
    datetime(2027, 1, 1, tzinfo=NoZone()),
    *(liar(kind) for kind in (str, int, float, bool, Decimal, dict, datetime, timedelta, Fraction)),
    Seven.SEVEN,
    Word.PRICING,
    Colour.RED,
    object,
    print,
)

TEXTS = st.one_of(
    st.text(st.characters(codec=None), max_size=20),
    st.sampled_from(
        ["\x00", "\ud800", "a\udc80b", " ", "\u2003\n", "x" * 201, "日" * 4097, "pricing", "x" * 9_000, "%s:p_name'"]
    ),
)
NUMBERS = st.one_of(
    st.booleans(),
    st.integers(),
    st.integers(-(2**65), 2**65),
    st.sampled_from([2**63 - 1, 2**63, -(2**63) - 1, 10**400, 10**4000, -0.0, 5e-324, 1e308, 0, 1]),
    st.floats(),
    st.decimals(),
    st.sampled_from([Decimal("sNaN"), Decimal("1e400"), Decimal("1e-400"), Decimal(1)]),
    st.fractions(),
    st.sampled_from([Fraction(10**400), Fraction(1, 3)]),
    st.complex_numbers(),
)
INSTANTS = st.one_of(
    st.datetimes(),
    st.datetimes(timezones=st.sampled_from(ZONES).map(ZoneInfo), allow_imaginary=True),
    st.datetimes(timezones=st.timedeltas(timedelta(hours=-23), timedelta(hours=23)).map(timezone)),
    st.sampled_from([at.replace(tzinfo=ZoneInfo(zone)) for at in EXTREMES for zone in ZONES]),
)
INTERVALS = st.one_of(st.timedeltas(), st.sampled_from([timedelta.max, timedelta.min, timedelta(0), timedelta(days=1)]))
SIMPLE = st.one_of(
    st.none(),
    NUMBERS,
    TEXTS,
    st.binary(max_size=20),
    INSTANTS,
    INTERVALS,
    st.sampled_from([date.max, time(12), ...]),
    # By their places: what cannot be printed or compared must not meet the machinery of the test.
    st.integers(0, len(HOSTILES) - 1).map(HOSTILES.__getitem__),
)
KEYS = st.one_of(TEXTS, st.integers(), st.booleans(), st.none(), st.binary(max_size=5))
ODD: st.SearchStrategy[Any] = st.recursive(
    SIMPLE,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=4), st.tuples(inner, inner)
    ),
    max_leaves=8,
)
