"""What every operation does at every isolation level: what is right, or the database's own 40001, and nothing else.

The table of it stands in docs/isolation.md, and is made here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from tests.support.isolation import (
    CHANGES,
    LEVELS,
    OPERATIONS,
    READ_COMMITTED,
    READERS,
    STATES,
    TELLING,
    Arena,
    Outcome,
)
from tests.support.promises import assert_promises_kept
from tests.support.size import LONG
from tests.support.worlds import World

from driftbreaker.testing import PostgresServer

DOCUMENT = Path(__file__).parents[2] / "docs" / "isolation.md"
BEGIN, END = "<!-- matrix: written by tests/postgres/test_isolation.py -->", "<!-- matrix ends -->"
REWRITE = "DRIFTBREAKER_WRITE_DOCS=1 .venv/bin/pytest tests/postgres/test_isolation.py"

FIRST_USE = "no row"
SITUATIONS = ("alone", "contended", "first use")
Cell = tuple[str, str, str]


@pytest.fixture(scope="module")
def arena(postgres: PostgresServer, postgres_template: str) -> Iterator[Arena]:
    name = postgres.create_database(postgres_template)
    world = World("psycopg", postgres.url(name), create_engine(postgres.url(name)))
    yield Arena(world)
    world.close()
    postgres.drop_database(name)


@pytest.fixture(scope="module")
def cells(arena: Arena) -> dict[Cell, set[Outcome]]:
    """What was found so far; the table needs all of it, whatever tests were chosen."""
    return _Cells(arena)


class _Cells(dict[Cell, set[Outcome]]):
    def __init__(self, arena: Arena) -> None:
        super().__init__()
        self._arena = arena

    def __missing__(self, cell: Cell) -> set[Outcome]:
        level, situation, operation = cell
        self[cell] = set(_outcomes(self._arena, level, situation, operation))
        return self[cell]


def _outcomes(arena: Arena, level: str, situation: str, operation: str) -> Iterator[Outcome]:
    for state in STATES:
        if situation == "alone":
            yield arena.alone(level, operation, state)
        elif (situation == "first use") == (state == FIRST_USE):
            for change in CHANGES if LONG else TELLING[state]:
                if arena.conflicts(state, change):
                    yield arena.contended(level, operation, state, change)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("situation", SITUATIONS)
def test_read_committed_is_right_always(cells: dict[Cell, set[Outcome]], situation: str, operation: str) -> None:
    assert cells[READ_COMMITTED, situation, operation] == {Outcome.RIGHT}


@pytest.mark.parametrize("level", LEVELS[1:])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_above_read_committed_alone_is_right(cells: dict[Cell, set[Outcome]], operation: str, level: str) -> None:
    assert cells[level, "alone", operation] == {Outcome.RIGHT}


@pytest.mark.parametrize("level", LEVELS[1:])
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("situation", SITUATIONS[1:])
def test_above_read_committed_nothing_is_lost(
    cells: dict[Cell, set[Outcome]], situation: str, operation: str, level: str
) -> None:
    """Each outcome is one that some order of the two has, or the database's error and right once it is retried."""
    found = cells[level, situation, operation]
    assert not (operation in READERS and Outcome.RETRY in found), "a reader never raises 40001"
    assert found


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_change_that_commits_while_the_operation_waits_for_it_is_not_lost(
    arena: Arena, cells: dict[Cell, set[Outcome]], operation: str, level: str
) -> None:
    for state in STATES if LONG else ("no row", "counting", "open"):
        for change in filter(partial(arena.conflicts, state), CHANGES if LONG else TELLING[state][:1]):
            outcome = arena.overtaken(level, operation, state, change)
            situation = "first use" if state == FIRST_USE else "contended"
            assert level == READ_COMMITTED or outcome in cells[level, situation, operation]
            assert level != READ_COMMITTED or outcome is not Outcome.RETRY


def test_the_document_has_the_matrix(arena: Arena, cells: dict[Cell, set[Outcome]]) -> None:
    table = matrix(cells)
    document = DOCUMENT.read_text()
    before, _, rest = document.partition(BEGIN)
    stands, _, after = rest.partition(END)
    assert END in rest, f"{DOCUMENT.name} has lost the lines {BEGIN} and {END}"
    if os.environ.get("DRIFTBREAKER_WRITE_DOCS"):
        DOCUMENT.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}")
        return
    assert stands.strip() == table, f"{DOCUMENT.name} says something else; rewrite it: {REWRITE}"
    assert_promises_kept(arena.world)


def matrix(cells: dict[Cell, set[Outcome]]) -> str:
    heads = [(level, situation) for level in LEVELS for situation in SITUATIONS]
    lines = [
        "| | " + " | ".join(f"{level}, {situation}" for level, situation in heads) + " |",
        "|---|" + "---|" * len(heads),
    ]
    for operation in OPERATIONS:
        row = (_shown(cells[level, situation, operation]) for level, situation in heads)
        lines.append(f"| {operation} | " + " | ".join(row) + " |")
    return "\n".join(lines)


def _shown(outcomes: set[Outcome]) -> str:
    return " · ".join(outcome for outcome in Outcome if outcome in outcomes)
