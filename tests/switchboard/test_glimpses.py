"""Who reads a handle while it is being brought up to date: never half of one answer and half of another."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType, SimpleNamespace
from typing import Any

import pytest

from driftbreaker import Basis, CannotTellError, Outage
from driftbreaker.model import Key
from driftbreaker.snapshot import ForcedOff, Handle, Snapshot, handle, snapshot
from driftbreaker.store import Reading, Sighting

PRICING = Key("pricing", "")
STALE = 10.0


def reading(at: float, *, is_open: bool) -> Reading:
    seen = {PRICING: Sighting(is_open=True, ends=None, generation=1, version=1)}
    asked = {PRICING: Sighting(is_open=False, ends=None, generation=2, version=2)}
    return Reading(began=at, ended=at, lags=False, open=seen if is_open else {}, asked={} if is_open else asked)


@contextmanager
def glimpsing(look: Callable[[], None]) -> Iterator[None]:
    """Look after every line of the snapshot's, as another thread might."""

    def trace(frame: FrameType, _event: str, _argument: Any) -> Any:
        if frame.f_code.co_filename != snapshot.__file__:
            return None
        sys.settrace(None)
        look()
        sys.settrace(trace)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)


@pytest.mark.parametrize("truth", [True, False])
@pytest.mark.parametrize("policy", [Outage.OPEN, Outage.CLOSED, Outage.RAISE])
def test_database_never_stands_beside_an_answer_that_is_not_the_databases(
    policy: Outage, truth: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(monotonic=lambda: now)
    monkeypatch.setattr(handle, "time", clock)
    now, known, looks = 100.0, not truth, 0
    board = Snapshot(STALE, ForcedOff(), lambda _: None)
    pricing: Handle = board.handle(PRICING, policy, now)

    def look() -> None:
        nonlocal looks
        looks += 1
        if pricing.basis is Basis.DATABASE:
            assert pricing.is_open is known
        if policy is Outage.RAISE:
            with suppress(CannotTellError):
                assert pricing.check() is known

    board.apply(reading(now, is_open=known), now)
    with glimpsing(look):
        now += STALE
        board.tick(now)
        known = truth
        board.apply(reading(now, is_open=known), now)
    assert (pricing.basis, pricing.is_open) == (Basis.DATABASE, truth)
    assert looks > 20
