"""What there is for threads and for event loops is the same."""

from __future__ import annotations

import inspect

import pytest

from driftbreaker import AsyncCircuitBreaker, AsyncSwitchboard, CircuitBreaker, Switchboard


def public(kind: type) -> set[str]:
    return {name for name in vars(kind) if not name.startswith("_")}


def test_both_doors_have_the_same_names() -> None:
    assert public(AsyncCircuitBreaker) == public(CircuitBreaker)


@pytest.mark.parametrize("name", sorted(public(CircuitBreaker)))
def test_both_doors_have_the_same_signatures(name: str) -> None:
    sync, awaited = getattr(CircuitBreaker, name), getattr(AsyncCircuitBreaker, name)
    if isinstance(sync, property):
        assert isinstance(awaited, property)
        return
    assert inspect.signature(awaited) == inspect.signature(sync)
    assert inspect.iscoroutinefunction(awaited)
    assert not inspect.iscoroutinefunction(sync)
    assert f"CircuitBreaker.{name}" in (awaited.__doc__ or "")


def test_both_switchboards_have_the_same_names() -> None:
    assert public(AsyncSwitchboard) == public(Switchboard)


@pytest.mark.parametrize("name", sorted(public(Switchboard)))
def test_both_switchboards_have_the_same_signatures(name: str) -> None:
    sync, awaited = getattr(Switchboard, name), getattr(AsyncSwitchboard, name)
    assert inspect.signature(awaited) == inspect.signature(sync)
    assert inspect.iscoroutinefunction(awaited)
    assert f"Switchboard.{name}" in (awaited.__doc__ or "")
