"""The origin's module refuses bad input as the core does, under the names of its own arguments."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from driftbreaker import InvalidArgumentError, NotANumberError, costsim
from tests.contract.test_bad_input import (
    NAN,
    SCORES,
    Call,
    Refusal,
    counts,
    ends,
    integers,
    refuses,
    sentences,
)
from tests.support.worlds import World, sync

TEXTS: list[Refusal] = [
    (value, InvalidArgumentError, f"{{}} must be text that is not blank, got {value!r}")
    for value in (7, b"why", ["why"])
]


def texts(what: str) -> list[Refusal]:
    """What is no text; blanks and None mean the default here."""
    return [(value, kind, said.format(what)) for value, kind, said in TEXTS]


METHODS: dict[str, tuple[Call, list[Refusal]]] = {
    "report_drift drift_score": (lambda b, v: b.report_drift(drift_score=v), SCORES),
    "report_drift sample_count": (lambda b, v: b.report_drift(0.1, sample_count=v), counts("sample_count", 1)),
    "report_schema_error": (lambda b, v: b.report_schema_error(error_count=v), counts("error_count", 0)),
    "disable_v2 reason": (lambda b, v: b.disable_v2(v, "alice"), sentences("reason")),
    "disable_v2 disabled_by": (lambda b, v: b.disable_v2("why", v), sentences("disabled_by")),
    "disable_v2 disabled_until": (lambda b, v: b.disable_v2("why", "alice", v), ends("disabled_until")),
    "enable_v2 enabled_by": (lambda b, v: b.enable_v2(v), sentences("enabled_by")),
    "enable_v2 reason": (lambda b, v: b.enable_v2("alice", v), texts("reason")),
    "reset reason": (lambda b, v: b.reset(v), texts("reason")),
    "reset reset_by": (lambda b, v: b.reset("why", v), texts("reset_by")),
}


@pytest.fixture
def running(world: World) -> World:
    with world.session() as session:
        breaker = world.costsim(session)
        breaker.report_drift(0.5)
        breaker.report_drift(0.5)
        session.commit()
    return world


@pytest.mark.parametrize("method", METHODS)
def test_bad_input_is_refused_before_anything_is_sent_and_changes_nothing(running: World, method: str) -> None:
    call, refusals = METHODS[method]
    before = running.everything()
    with running.session() as session:
        breaker = running.costsim(session)
        with running.watch() as seen:
            refuses(call, breaker, refusals)
        assert (seen.statements, seen.endings) == ([], [])
        assert sync(session).in_transaction() is False
        session.commit()
        assert running.everything() == before
        assert breaker.report_drift(0.5) is not None, "the session goes on, and the third bad score trips"
        session.commit()
    assert running.count("incidents") == 1


def test_the_modules_functions_refuse_alike(world: World) -> None:
    functions: list[tuple[Any, list[Refusal]]] = [
        (lambda s, v: world.call(costsim.disable_v2, s, v, "alice"), sentences("reason")),
        (lambda s, v: world.call(costsim.disable_v2, s, "why", v), sentences("disabled_by")),
        (lambda s, v: world.call(costsim.disable_v2, s, "why", "alice", v), ends("disabled_until")),
        (lambda s, v: world.call(costsim.enable_v2, s, v), sentences("enabled_by")),
        (lambda s, v: world.call(costsim.enable_v2, s, "alice", v), texts("reason")),
    ]
    with world.session() as session, world.watch() as seen:
        for call, refusals in functions:
            refuses(call, session.target, refusals)
    assert len(seen) == 0
    assert world.count("breakers") == 0


def test_thresholds_and_names_that_cannot_be_are_refused_when_the_breaker_is_made(world: World) -> None:
    making: list[tuple[Any, list[Refusal]]] = [
        (
            lambda s, v: costsim.create_circuit_breaker(s, failure_threshold=v),
            integers("failure_threshold", 0, -1, 1.5, True, False, "3", 2**63, NAN, 10**400),
        ),
        (
            lambda s, v: costsim.create_circuit_breaker(s, drift_threshold=v),
            [
                (value, InvalidArgumentError, f"drift_threshold must be a finite number >= 0, got {value!r}")
                for value in (-1, -0.1, NAN, float("inf"), True, "0.2", 1j)
            ],
        ),
        (
            lambda s, v: costsim.CircuitBreaker(s, drift_threshold=v),
            [(10**400, InvalidArgumentError, "drift_threshold must be a number that fits a float, got 1000")],
        ),
        (
            lambda s, v: costsim.CircuitBreaker(s, name=v),
            [(value, InvalidArgumentError, "name must ") for value in ("", "x" * 201, "a\x00", "\ud800", None, 7)],
        ),
    ]
    with world.session() as session, world.watch() as seen:
        for call, refusals in making:
            refuses(call, session.target, refusals)
        assert len(seen) == 0


def test_given_thresholds_are_honoured_zero_included(world: World) -> None:
    with world.session() as session:
        breaker = costsim.create_circuit_breaker(session.target, failure_threshold=1, drift_threshold=0.0)
        assert (breaker.name, breaker.failure_threshold, breaker.drift_threshold) == ("costsim_v2", 1, 0.0)
        assert world.call(breaker.report_drift, 0.0) is None
        assert world.call(breaker.report_drift, 1e-12) is not None
        session.rollback()


def test_an_environment_that_cannot_be_is_named_when_the_breaker_is_made(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COSTSIM_DRIFT_THRESHOLD", "a lot")
    with world.session() as session:
        for make in (
            costsim.create_circuit_breaker,
            lambda s: world.call(costsim.is_v2_disabled, s),
            lambda s: world.call(costsim.enable_v2, s, "alice"),
        ):
            with pytest.raises(ValueError, match="COSTSIM_DRIFT_THRESHOLD is 'a lot': it must be a number"):
                make(session.target)


def test_limits_that_cannot_be_are_refused_by_the_plain_reader(sqlite_url: str) -> None:
    engine = create_engine(sqlite_url)
    with Session(engine) as session:
        breaker = costsim.CircuitBreaker(session)
        refuses(lambda b, v: b.get_incidents(limit=v), breaker, integers("limit", -1, 1.5, True, "1", None, 2**63))
        assert session.in_transaction() is False
        assert breaker.get_incidents(limit=0) == []
    engine.dispose()


@pytest.mark.parametrize("blank", [None, "", "  "])
def test_blank_reasons_and_a_blank_reset_by_mean_the_contracts_words(
    world: World, blank: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INSTANCE_ID", "pod-7")
    with world.session() as session:
        breaker = world.costsim(session)
        breaker.disable_v2("one", "alice")
        assert breaker.enable_v2("bob", blank)
        breaker.disable_v2("two", "alice")
        assert breaker.reset(blank, blank)
        session.commit()
    ends_of = [(row["resolved_by"], row["resolution_notes"]) for row in world.rows("incidents")]
    assert ends_of == [("bob", "Manual enable"), ("pod-7", "Manual reset")]


def test_what_is_no_number_at_all_can_be_caught_as_either_error(world: World) -> None:
    with world.session() as session:
        for kind in (ValueError, TypeError, NotANumberError):
            with pytest.raises(kind, match="drift_score must be a finite number >= 0, got 'x'"):
                world.costsim(session).report_drift("x")
