"""Long sequences of steps, by several sessions, against a small model; and how much ground they cover.

`DRIFTBREAKER_LONG=1` runs many more of them, other ones each time.
"""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.machine import Machine
from tests.model.places import Place, postgresql, sqlite
from tests.support.size import LONG

SHORT_RUN: dict[str, Any] = {"max_examples": 90, "stateful_step_count": 15, "derandomize": True}
LONG_RUN: dict[str, Any] = {"max_examples": 500, "stateful_step_count": 50}
PLACES = ("sqlite", "sqlite with a real BEGIN", "postgresql")

# How often each must come about, in all places together: a machine that never gets there proves nothing.
ENOUGH = {
    "a check met an expired breaker": 30,
    "a check met an expired breaker that another session holds": 20,
    "a check put a recovery on record": 5,
    "a fenced report changed nothing": 20,
    "a fenced report counted": 20,
    "a force prevented a trip": 5,
    "a reader met an expired breaker": 50,
    "a report recovered an expired breaker": 10,
    "a rollback forgot late reports": 10,
    "a rollback undid a trip": 20,
    "a savepoint forgot late reports": 5,
    "a savepoint undid a trip": 10,
    "a scope read open with its whole": 20,
    "closed by hand": 10,
    "closed by hand after its end": 5,
    "disabled again without a change": 10,
    "disabled an expired breaker": 10,
    "disabled one that was forced on": 5,
    "disabled until a time that is past": 5,
    "expired": 30,
    "extended": 10,
    "extended a trip": 5,
    "extended what was held": 5,
    "forced on": 20,
    "forced on an open breaker": 10,
    "held a trip": 10,
    "late reports tripped": 20,
    "late reports were made": 50,
    "others read on while one had changed it": 100,
    "released a savepoint": 5,
    "reported on an open breaker": 20,
    "reset the counts of a closed one": 2,
    "schema errors tripped": 5,
    "stood just before an end": 10,
    "superseded": 30,
    "superseded under other labels": 20,
    "tripped": 50,
    "tripped after a recovery": 10,
}


@pytest.fixture(scope="module")
def reached() -> dict[str, Counter[str]]:
    """What came about, place by place."""
    return {}


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "postgresql":
        return postgresql(request.getfixturevalue("postgres_url"))
    path = shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "model.db")
    return sqlite(Path(path), real_begin=request.param != "sqlite")


def test_breakers_do_as_the_model_does(place: Place, reached: dict[str, Counter[str]]) -> None:
    counts = reached[place.name] = Counter()
    try:
        run_state_machine_as_test(
            lambda: Machine(place, counts),
            settings=settings(
                **(LONG_RUN if LONG else SHORT_RUN),
                deadline=None,
                database=None,
                report_multiple_bugs=False,
                phases=(Phase.generate, Phase.shrink),
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        place.dispose()


def test_the_steps_lead_where_they_should(reached: dict[str, Counter[str]]) -> None:
    assert set(reached) == set(PLACES), "it counts what the runs on all databases reached: run the whole file"
    for what in sorted(ENOUGH):
        print(f"{what:60}", *(f"{reached[name][what]:6}" for name in PLACES))
    found = sum(reached.values(), Counter())
    assert set(found) == set(ENOUGH), "every situation that is counted has its minimum"
    rare = {what: found[what] for what, times in ENOUGH.items() if found[what] < times}
    assert not rare
