"""Listeners are told, each on its own; none can disturb the others or who told them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from driftbreaker.hooks import Event, emit, listen

TRIP = Event(kind="trip", name="pricing", scope="")
ENABLE = Event(kind="enable", name="pricing", scope="", facts={"actor": "alice"})


@pytest.fixture
def listening() -> Iterator[Callable[[Callable[[Event], object]], Callable[[], None]]]:
    removers = []

    def add(listener: Callable[[Event], object]) -> Callable[[], None]:
        removers.append(listen(listener))
        return removers[-1]

    yield add
    for remove in removers:
        remove()


def failing(_: Event) -> None:
    raise RuntimeError("the listener's own trouble")


def test_every_listener_hears_every_event_in_order(listening: Any) -> None:
    one: list[Event] = []
    other: list[Event] = []
    listening(one.append)
    listening(other.append)
    emit([TRIP, ENABLE])
    assert one == other == [TRIP, ENABLE]


def test_a_listener_that_raises_disturbs_nobody_and_is_logged(listening: Any, caplog: pytest.LogCaptureFixture) -> None:
    heard: list[Event] = []
    listening(failing)
    listening(heard.append)
    emit([TRIP, ENABLE])
    assert heard == [TRIP, ENABLE]
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [record.getMessage() for record in errors] == [
        "a listener of driftbreaker failed on trip of breaker 'pricing'",
        "a listener of driftbreaker failed on enable of breaker 'pricing'",
    ]
    assert all(record.name == "driftbreaker" and record.exc_info for record in errors)


def test_a_removed_listener_hears_nothing_more(listening: Any) -> None:
    heard: list[Event] = []
    remove = listening(heard.append)
    emit([TRIP])
    remove()
    emit([TRIP])
    assert heard == [TRIP]


def test_removing_twice_is_no_error(listening: Any) -> None:
    remove = listening(failing)
    remove()
    remove()


def test_removing_one_of_two_equal_registrations_leaves_the_other(listening: Any) -> None:
    heard: list[Event] = []
    first, _ = listening(heard.append), listening(heard.append)
    first()
    first()
    emit([TRIP])
    assert heard == [TRIP]


def test_a_listener_may_remove_itself_while_it_is_told(listening: Any) -> None:
    heard: list[Event] = []

    def once(event: Event) -> None:
        heard.append(event)
        remove()

    remove = listening(once)
    other: list[Event] = []
    listening(other.append)
    emit([TRIP, ENABLE])
    assert heard == [TRIP]
    assert other == [TRIP, ENABLE]


def test_nothing_is_told_where_nobody_listens() -> None:
    emit([TRIP])
