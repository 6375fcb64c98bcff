"""Details, reasons and actors never cost the trip, however odd they are."""

from __future__ import annotations

import json
import weakref
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from driftbreaker import BreakerSettings
from tests.support.worlds import World

AT_ONCE = BreakerSettings(failure_threshold=1, schema_error_threshold=1)
MARK = "…"


class Silent:
    def __str__(self) -> str:
        raise RuntimeError("no str")

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class Odd:
    def __str__(self) -> str:
        return "odd"


class SaysItIsAFlag:
    """As a mock with a specification does."""

    __class__ = bool  # type: ignore[assignment]

    def __str__(self) -> str:
        return "no flag"


def deep(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {"bottom": 1}
    for _ in range(levels):
        value = {"down": value}
    return value


def cyclic() -> dict[str, Any]:
    value: dict[str, Any] = {"a": 1}
    value["self"] = [value, value]
    return value


def wide_and_deep() -> dict[str, Any]:
    value: Any = "日" * 100_000
    for _ in range(20):
        value = {"first": value, "second": value}
    return value  # type: ignore[no-any-return]


GONE = weakref.proxy(Silent())

KEPT: dict[str, tuple[Any, dict[str, Any]]] = {
    "none": (None, {}),
    "empty": ({}, {}),
    "plain": ({"a": [1, 1.5, True, None, "x", {"b": []}]}, {"a": [1, 1.5, True, None, "x", {"b": []}]}),
    "datetime": ({"at": datetime(2026, 1, 2, tzinfo=UTC)}, {"at": "2026-01-02T00:00:00+00:00"}),
    "set": ({"s": {1}}, {"s": "{1}"}),
    "bytes": ({"b": b"\x00\xff"}, {"b": "\ufffd\ufffd"}),
    "NaN": ({"n": float("nan"), "i": float("inf")}, {"n": "nan", "i": "inf"}),
    "Decimal": ({"d": Decimal("0.10")}, {"d": "0.10"}),
    "UUID": ({"u": UUID(int=1)}, {"u": "00000000-0000-0000-0000-000000000001"}),
    "odd object": ({"o": Odd()}, {"o": "odd"}),
    "odd object that says it is a flag": ({"o": [SaysItIsAFlag(), True]}, {"o": ["no flag", True]}),
    "silent object": ({"o": Silent()}, {"o": "<Silent>"}),
    "reference to something gone": ({"o": GONE}, {"o": f"<{type(GONE).__name__}>"}),
    "tuple": ({"t": (1, (2,))}, {"t": [1, [2]]}),
    "keys that are no text": ({(1, 2): 1, None: 2, 3: 3}, {"(1, 2)": 1, "None": 2, "3": 3}),
    "NUL and lone surrogates": ({"a\x00": "b\x00\ud800\udc00c"}, {"a\ufffd": "b\ufffd\ufffd\ufffdc"}),
    "emoji": ({"😀": "日本 😀"}, {"😀": "日本 😀"}),
    "huge integer": ({"n": 2**200}, {"n": hex(2**200)}),
    "quotes and controls": ({'"\\': "\x01\n\u2028%s :p_name"}, {'"\\': "\x01\n\u2028%s :p_name"}),
    "a list": ([1, 2], {"value": [1, 2]}),
    "text": ("why", {"value": "why"}),
}

CUT: dict[str, Any] = {
    "thirty levels": deep(30),
    "a cycle": cyclic(),
    "a hundred thousand items": {"n": list(range(100_000))},
    "a hundred thousand keys": dict.fromkeys(map(str, range(100_000)), 1),
    "a megabyte": {"log": "x" * 1_000_000},
    "a megabyte of emoji": {"log": "😀" * 250_000},
    "a megabyte of controls": {"log": "\x01" * 1_000_000},
    "a megabyte of lone surrogates": {"log": "\udfff" * 1_000_000},
    "a long key": {"k" * 1_000_000: 1},
    "a megabyte at every level": wide_and_deep(),
}


def stored_json(world: World, name: str) -> str:
    statement = text("SELECT details FROM driftbreaker_incidents WHERE name = :name")
    with world.outside.connect() as connection:
        return str(connection.execute(statement, {"name": name}).scalar_one())


def test_what_json_cannot_hold_is_stored_as_text_and_costs_no_trip(world: World) -> None:
    for name, (details, kept) in KEPT.items():
        with world.committed(f"drift {name}", settings=AT_ONCE) as breaker:
            assert breaker.report_drift(0.5, details=details).details == kept, name
        with world.committed(f"schema {name}", settings=AT_ONCE) as breaker:
            assert breaker.report_schema_error(1, details).details == kept, name
            assert [each.details for each in breaker.get_incidents()] == [kept], name
        assert json.loads(stored_json(world, f"drift {name}")) == kept, name


def test_what_is_too_much_is_stored_cut_with_a_mark_and_costs_no_trip(world: World) -> None:
    for name, details in CUT.items():
        with world.committed(name, settings=AT_ONCE) as breaker:
            incident = breaker.report_drift(0.5, details=details)
            (read,) = breaker.get_incidents()
        stored = stored_json(world, name)
        assert len(stored.encode()) <= 64 * 1024, name
        assert MARK in stored, name
        assert json.loads(stored) == incident.details == read.details, name


def test_details_are_copied_when_given(world: World) -> None:
    details = {"rows": [1]}
    with world.session() as session:
        incident = world.breaker(session, settings=AT_ONCE).report_drift(0.5, details=details)
        details["rows"].append(2)
        session.commit()
    assert incident.details == {"rows": [1]}
    assert details == {"rows": [1, 2]}, "the caller's own stays the caller's"
    assert json.loads(stored_json(world, "pricing")) == {"rows": [1]}


def test_odd_details_disturb_no_report_that_does_not_trip(world: World) -> None:
    with world.committed() as breaker:
        for details in [*(value for value, _ in KEPT.values()), *CUT.values()]:
            assert breaker.report_drift(0.1, details=details) is None
        assert breaker.report_drift(0.5, details=Silent()) is None
        assert breaker.report_schema_error(1, Silent()) is None


@pytest.mark.parametrize(
    ("given", "reason", "actor"),
    [
        ("x" * 4096, "x" * 4096, "x" * 199 + MARK),
        ("x" * 1_000_000, "x" * 4095 + MARK, "x" * 199 + MARK),
        ("😀" * 10_000, "😀" * 4095 + MARK, "😀" * 199 + MARK),
        ("a\x00b\ud800c", "a\ufffdb\ufffdc", "a\ufffdb\ufffdc"),
        ("\x00", "\ufffd", "\ufffd"),
        (' it\'s 100%s :until \\ "quoted" ', ' it\'s 100%s :until \\ "quoted" ', ' it\'s 100%s :until \\ "quoted" '),
    ],
    ids=["long", "very long", "long emoji", "unstorable", "only NUL", "quotes"],
)
def test_reasons_and_actors_of_any_length_are_cleaned_and_cut(
    world: World, given: str, reason: str, actor: str
) -> None:
    with world.committed() as breaker:
        changed, incident = breaker.disable(given, actor=given)
        assert (changed, incident.reason) == (True, reason)
        assert breaker.disable(given, actor="bob") == (False, None), "the same reason, cut alike"
        state = breaker.get_state()
        assert (state.reason, state.disabled_by) == (reason, actor)
        assert breaker.hold(given, actor=given, until=None)
        assert breaker.get_state().held_by == actor
        assert breaker.enable(given, actor=given)
        assert [entry.reason for entry in breaker.get_history()] == [reason] * 3
        assert [entry.actor for entry in breaker.get_history()] == [actor] * 3
        (resolved,) = breaker.get_incidents(include_resolved=True)
        assert (resolved.resolved_by, resolved.resolution_notes) == (actor, reason)


def test_the_origins_actors_are_cleaned_and_cut_alike(world: World) -> None:
    with world.session() as session:
        breaker = world.costsim(session)
        assert breaker.disable_v2("a\x00" + "x" * 10_000, "b\x00" + "x" * 10_000)[0]
        session.commit()
    row = world.row("costsim_v2")
    assert (row["reason"][:3], len(row["reason"]), row["reason"][-1]) == ("a\ufffdx", 4096, MARK)
    assert (row["actor"][:3], len(row["actor"]), row["actor"][-1]) == ("b\ufffdx", 200, MARK)


def test_names_at_their_limits_work_like_any_other(world: World) -> None:
    for name in ("x" * 200, "😀" * 200, " ", 'it\'s %s :p_name \\ "q"', "日本"):
        with world.committed(name, scope=name, settings=AT_ONCE) as breaker:
            assert breaker.report_drift(0.5) is not None
            assert breaker.is_disabled()
        assert world.row(name, name)["status"] == "open"
