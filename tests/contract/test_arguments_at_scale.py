"""Whatever is given for an argument is refused before anything is sent, or works: no session poisoned, no row changed.

DRIFTBREAKER_LONG=1 tries hundreds of thousands on both databases.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from driftbreaker import (
    AsyncCircuitBreaker,
    BreakerSettings,
    CircuitBreaker,
    costsim,
)
from tests.support.desk import EXPIRED, OPEN, REFUSALS, Call, Desk, at_scale, refused
from tests.support.inbox import Inbox
from tests.support.odd import HOSTILES, ODD

AHEAD = datetime.now(UTC) + timedelta(days=1)

GOOD: dict[str, tuple[Any, ...]] = {
    "score": (0.5, 0.1),
    "samples": (1, 7),
    "details": (None, {"a": [1]}),
    "generation": (None, 0, 1),
    "count": (0, 1, 5),
    "reason": ("why",),
    "text": (None, "why"),
    "actor": ("alice",),
    "until": (AHEAD, None, AHEAD - timedelta(days=9)),
    "flag": (True, False),
    "limit": (0, 10),
    "before": (None, 5),
    "name": ("pricing",),
    "scope": ("", "eu"),
    "threshold": (None, 1, 3),
    "when": ("now", "commit"),
    "option": (None,),
    "incident": (None, OPEN, EXPIRED, "nobody's"),
    "of incident": (OPEN, EXPIRED, "nobody's"),
}


def arguments(*kinds: str) -> st.SearchStrategy[list[Any]]:
    """One value of each kind, of which some are odd."""
    return st.tuples(*(st.one_of(st.sampled_from(GOOD[kind]), ODD) for kind in kinds)).map(list)


METHODS: dict[str, tuple[tuple[str, ...], Call]] = {
    "report_drift": (
        ("score", "samples", "details", "generation"),
        lambda b, score, samples, details, g: b.report_drift(score, samples, details, generation=g),
    ),
    "report_schema_error": (
        ("count", "details", "generation"),
        lambda b, count, details, g: b.report_schema_error(count, details, generation=g),
    ),
    "disable": (("reason", "actor", "until"), lambda b, r, a, u: b.disable(r, actor=a, until=u)),
    "hold": (("reason", "actor", "until"), lambda b, r, a, u: b.hold(r, actor=a, until=u)),
    "enable": (("reason", "actor"), lambda b, r, a: b.enable(r, actor=a)),
    "reset": (("reason", "actor"), lambda b, r, a: b.reset(r, actor=a)),
    "force_on": (("reason", "actor", "until"), lambda b, r, a, u: b.force_on(r, actor=a, until=u)),
    "acknowledge": (("reason", "actor", "incident"), lambda b, r, a, i: b.acknowledge(r, actor=a, incident_id=i)),
    "assign": (("text", "reason", "actor", "incident"), lambda b, t, r, a, i: b.assign(t, r, actor=a, incident_id=i)),
    "add_note": (("reason", "actor", "incident"), lambda b, body, a, i: b.add_note(body, actor=a, incident_id=i)),
    "get_notes": (("of incident", "limit"), lambda b, incident, limit: b.get_notes(incident, limit)),
    "get_incidents": (("flag", "limit"), lambda b, flag, limit: b.get_incidents(flag, limit)),
    "get_history": (("limit", "before"), lambda b, limit, before: b.get_history(limit, before)),
}
COSTSIM: dict[str, tuple[tuple[str, ...], Call]] = {
    "report_drift": (("score", "samples", "details"), lambda b, *args: b.report_drift(*args)),
    "report_schema_error": (("count", "details"), lambda b, *args: b.report_schema_error(*args)),
    "disable_v2": (("reason", "actor", "until"), lambda b, *args: b.disable_v2(*args)),
    "enable_v2": (("actor", "text"), lambda b, *args: b.enable_v2(*args)),
    "reset": (("text", "text"), lambda b, *args: b.reset(*args)),
    "get_incidents": (("flag", "limit"), lambda b, *args: b.get_incidents(*args)),
}
MODULE: dict[str, tuple[tuple[str, ...], Call]] = {
    "disable_v2": (("reason", "actor", "until"), costsim.disable_v2),
    "enable_v2": (("actor", "text"), costsim.enable_v2),
    "create_circuit_breaker": (("threshold", "threshold", "name"), costsim.create_circuit_breaker),
}


@pytest.mark.parametrize("method", METHODS)
def test_methods(desk: Desk, method: str) -> None:
    kinds, call = METHODS[method]

    @at_scale
    @given(st.sampled_from(["pricing", "open", "expired", "never seen"]), arguments(*kinds))
    def holds(name: str, given_: list[Any]) -> None:
        desk.tries(lambda session: call(CircuitBreaker(session, name, settings=BreakerSettings()), *given_))

    holds()


@pytest.mark.parametrize("method", [*METHODS, *(f"costsim {name}" for name in COSTSIM)])
def test_hostile_objects(desk: Desk, method: str) -> None:
    """Each of them in each place, beside arguments that are good."""
    of_costsim = method.removeprefix("costsim ")
    kinds, call = METHODS[method] if method in METHODS else COSTSIM[of_costsim]
    make: Any = (
        CircuitBreaker if method in METHODS else lambda session, name: costsim.CircuitBreaker(session, name=name)
    )
    for place in range(len(kinds)):
        for odd in HOSTILES:
            given_ = [GOOD[kind][0] for kind in kinds]
            given_[place] = odd
            desk.tries(lambda session, given_=given_: call(make(session, "pricing"), *given_))


@pytest.mark.parametrize("method", ["report_drift", "report_schema_error"])
def test_late_reports(desk: Desk, method: str) -> None:
    """What is accepted late is made without an error at the commit."""
    kinds, call = METHODS[method]

    @at_scale
    @given(arguments(*kinds))
    def holds(given_: list[Any]) -> None:
        with Session(desk.engine) as session:
            with suppress(REFUSALS):
                call(CircuitBreaker(session, "late", when="commit"), *given_)
            session.commit()
            CircuitBreaker(session, "late").enable("clear", actor="test")
            session.commit()

    holds()


@pytest.mark.parametrize("method", COSTSIM)
def test_costsim(desk: Desk, method: str) -> None:
    kinds, call = COSTSIM[method]

    @at_scale
    @given(arguments(*kinds))
    def holds(given_: list[Any]) -> None:
        desk.tries(lambda session: call(costsim.CircuitBreaker(session), *given_))

    holds()


@pytest.mark.parametrize("function", MODULE)
def test_costsim_functions(desk: Desk, function: str) -> None:
    kinds, call = MODULE[function]

    @at_scale
    @given(arguments(*kinds))
    def holds(given_: list[Any]) -> None:
        desk.tries(lambda session: call(session, *given_))

    holds()


def test_breakers(desk: Desk) -> None:
    kinds = ("name", "scope", "option", "when", "option", "option")

    @at_scale
    @given(arguments(*kinds))
    def holds(given_: list[Any]) -> None:
        name, scope, own, when, clock, tables = given_
        options = {"scope": scope, "settings": own, "when": when, "clock": clock, "tables": tables}
        desk.tries(lambda session: CircuitBreaker(session, name, **options))

    holds()


@pytest.mark.parametrize(
    "door",
    [
        CircuitBreaker,
        AsyncCircuitBreaker,
        lambda s, _: costsim.CircuitBreaker(s),
        lambda s, _: costsim.is_v2_disabled(s),
    ],
)
def test_sessions(door: Any) -> None:
    @at_scale
    @given(ODD)
    def holds(session: Any) -> None:
        assert refused(door, session, "pricing") is not None

    holds()
    for session in HOSTILES:
        assert refused(door, session, "pricing") is not None


# The least, the most and the odd ones of what is legal: they must work, too.
SECONDS = (None, 0.001, 3.1536e9, Fraction(1, 3))
COUNTS = (1, 7, 2**63 - 1)
OPTIONS: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(("resend_interval", "lease", "poll", "keep"), SECONDS),
    **dict.fromkeys(("tries", "batch"), COUNTS),
    "retry_base": (0, 5e-324, 1e308),
    "notify": (True, False),
    "tables": (None,),
    "clock": (None,),
    "channels": (None, (), []),
}


@pytest.mark.parametrize("option", OPTIONS)
def test_relays(outbox: Engine, option: str) -> None:
    """One that is made delivers what fires and what is over; one that cannot be is refused by the option's name."""

    @at_scale
    @given(st.one_of(st.sampled_from(OPTIONS[option]), ODD))
    def holds(value: Any) -> None:
        delivers_or_is_refused(outbox, option, value)

    holds()
    for odd in HOSTILES:
        delivers_or_is_refused(outbox, option, odd)


def delivers_or_is_refused(engine: Engine, option: str, value: Any) -> None:
    inbox = Inbox()
    made: list[Any] = []
    refusal = refused(lambda: made.append(costsim.create_relay(engine, **{"channels": [inbox], option: value})))
    if refusal is not None:
        assert option in refusal or (option == "channels" and "channel" in refusal) or "no usable argument" in refusal
        assert len(refusal) < 1_000
        return
    if option == "clock" and refused(made[0].run_once) is not None:
        return  # what a clock says can be refused only when it is asked
    with Session(engine) as session:
        CircuitBreaker(session, "pricing").disable("maintenance", actor="alice")
        session.commit()
        made[0].run_once()
        CircuitBreaker(session, "pricing").enable("over", actor="alice")
        session.commit()
        made[0].run_once()
    # However often: what is said again after a millisecond is due again at once.
    assert option == "channels" or list(dict.fromkeys(inbox.states)) == ["firing", "resolved"]


def test_relays_engines() -> None:
    @at_scale
    @given(ODD)
    def holds(engine: Any) -> None:
        assert "engine must be a sqlalchemy" in (refused(costsim.create_relay, engine) or "")

    holds()
    for engine in HOSTILES:
        assert "engine must be a sqlalchemy" in (refused(costsim.create_relay, engine) or ""), repr(type(engine))
