"""When it is said again: arithmetic without a database."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftbreaker import Alert, Cadence, Incident
from driftbreaker.model import AlertState
from driftbreaker.relay.schedule import next_send
from driftbreaker.waits import MAX_RETRY_AFTER, back_off, spread

AT = datetime(2026, 1, 1, tzinfo=UTC)


def alert(state: AlertState) -> Alert:
    incident = Incident(
        id="i", name="n", scope="", timestamp=AT, reason="r", severity="P1", drift_score=1.0, sample_count=1
    )
    return Alert(
        identity="x" * 64,
        version=1,
        name="n",
        scope="",
        state=state,
        labels={},
        starts_at=AT,
        ends_at=None,
        now=AT,
        incident=incident,
    )


@pytest.mark.parametrize("cadence", [Cadence.MESSAGE, Cadence.RECORD])
@pytest.mark.parametrize("state", list(AlertState))
def test_messages_and_records_are_not_repeated(cadence: Cadence, state: AlertState) -> None:
    assert next_send(alert(state), cadence, 1, 60.0, lambda: 0.5) is None


def test_a_firing_state_is_repeated_each_interval_for_ever() -> None:
    assert next_send(alert(AlertState.FIRING), Cadence.STATE, 10**6, 60.0, lambda: 0.5) == 60.0


@given(st.floats(1.0, 600.0))
def test_a_resolved_state_is_repeated_for_a_quarter_of_an_hour_whatever_the_interval(interval: float) -> None:
    told, sends = 0.0, 1
    while (delay := next_send(alert(AlertState.RESOLVED), Cadence.STATE, sends, interval, lambda: 0.5)) is not None:
        told += delay
        sends += 1
    assert 900 <= told <= 900 + 2 * interval


@given(st.floats(0.01, 10_000), st.floats(0, 1, exclude_max=True))
def test_intervals_are_spread_by_a_tenth(interval: float, chance: float) -> None:
    assert 0.9 * interval <= spread(interval, lambda: chance) <= 1.1 * interval + 1e-9


@given(st.integers(1, 10**6), st.floats(0, 100), st.floats(1, 300), st.floats(0, 1, exclude_max=True))
def test_back_off_never_passes_its_cap(failures: int, base: float, cap: float, chance: float) -> None:
    assert 0 <= back_off(failures, base, cap, lambda: chance) <= cap


def test_back_off_doubles() -> None:
    assert [back_off(n, 1.0, 60.0, lambda: 1.0) for n in range(1, 9)] == [1, 2, 4, 8, 16, 32, 60, 60]


def test_the_receivers_own_wish_is_honoured_up_to_an_hour() -> None:
    assert back_off(1, 1.0, 60.0, lambda: 0.0, retry_after=120.0) == 120.0
    assert back_off(1, 1.0, 60.0, lambda: 0.0, retry_after=10**9) == MAX_RETRY_AFTER
