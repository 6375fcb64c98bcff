"""What a candidate sets in its context stays there: V1 calculates, and logs, as it would without it."""

from __future__ import annotations

import decimal
from collections.abc import Iterator
from contextvars import ContextVar
from decimal import Decimal
from typing import Any

import pytest

from .conftest import House

tenant: ContextVar[str] = ContextVar("tenant", default="acme")


@pytest.fixture(autouse=True)
def own_decimals() -> Iterator[None]:
    """As everybody has, who ever asked for it; and the test's own."""
    before = decimal.getcontext()
    decimal.setcontext(decimal.Context(prec=28))
    yield
    decimal.setcontext(before)


def third() -> str:
    return f"{tenant.get()}: {Decimal(1) / 3:.30g}"


def meddles() -> str:
    seen = third()
    tenant.set("somebody else")
    decimal.getcontext().prec = 3
    decimal.getcontext().traps[decimal.Inexact] = True
    return seen


@pytest.mark.parametrize("serve", ["control", "candidate"])
def test_a_candidate_changes_its_own_context_and_nobody_elses(house: House, way: Any, beside: str, serve: str) -> None:
    """`getcontext().prec = 3` changes an object that copies of a context share."""
    expected, scored = third(), []
    shadow = house.shadow(
        serve=serve, beside=beside, score=lambda one, other: scored.append(third()) or float(one != other)
    )
    assert way.call(shadow, third, meddles) == expected
    assert third() == expected, "in the caller"
    assert scored == [expected], "and where they are compared"
    assert house.report.score == 0.0, "the candidate has begun with what the caller has set"


def test_what_serves_is_the_callers_own(house: House, beside: str) -> None:
    """A control sets what it sets, and so does a candidate that `auto` serves: as if it were called directly."""
    house.shadow(beside=beside)(lambda: tenant.set("control"), int)
    assert tenant.get() == "control"
    house.shadow(serve="auto", beside=beside)(int, lambda: tenant.set("candidate"))
    assert tenant.get() == "candidate"
