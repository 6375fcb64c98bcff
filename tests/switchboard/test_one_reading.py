"""What one reading of the database brings, before any board makes something of it."""

from __future__ import annotations

from driftbreaker.model import Key
from driftbreaker.store.open_set import ABSENT, Reader, Reading
from tests.contract.steps import trip
from tests.support.worlds import TABLES, World

OPEN, CLOSED = Key("pricing", ""), Key("closed again", "")


def read(world: World, **wanted: object) -> Reading:
    with world.outside.connect() as connection:
        return Reader(TABLES, None).read(connection, **wanted)  # type: ignore[arg-type]


def furnish(world: World) -> None:
    with world.committed() as breaker:
        trip(breaker)
    with world.committed(CLOSED.name) as breaker:
        trip(breaker)
        breaker.enable("fixed", actor="alice")


def test_what_is_open_is_there_unasked_and_the_database_is_nobodys_replica(world: World) -> None:
    furnish(world)
    reading = read(world)
    assert ({*reading.open}, {*reading.asked}) == ({OPEN}, set())
    assert reading.lags is False
    assert reading.began <= reading.ended


def test_where_nothing_is_open_that_is_what_it_says(world: World) -> None:
    reading = read(world)
    assert (dict(reading.open), dict(reading.asked), reading.lags) == ({}, {}, False)


def test_what_is_awaited_and_not_shown_is_asked_for(world: World) -> None:
    furnish(world)
    (shown,) = read(world).open.values()
    reading = read(world, awaited={CLOSED: 2, OPEN: shown.version, Key("unheard of", ""): 1})
    assert {*reading.asked} == {CLOSED, Key("unheard of", "")}
    assert (reading.asked[CLOSED].is_open, reading.asked[CLOSED].version) == (False, 2)
    assert reading.asked[Key("unheard of", "")] == ABSENT
    assert {*read(world, awaited={OPEN: shown.version + 1}).asked} == {OPEN}
    assert {*read(world, awaited={OPEN: shown.version - 1}).asked} == set(), "what is newer is news enough"


def test_what_was_open_and_is_no_more_is_asked_for(world: World) -> None:
    furnish(world)
    reading = read(world, known_open=frozenset({OPEN, CLOSED}))
    assert {key: seen.is_open for key, seen in reading.asked.items()} == {CLOSED: False}
