"""The scope of a call, and the end of a shadow that somebody forgot."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from driftbreaker import CircuitBreaker, Event, InvalidArgumentError, Reporter, listen
from driftbreaker.scores import equality
from driftbreaker.shadow import Why

from .conftest import NAME, House


@pytest.mark.parametrize(
    "scope", ["gpt-4", lambda order, *, model: model, lambda *_, **keywords: keywords["model"]], ids=["text", "a", "b"]
)
def test_a_scope_is_text_or_read_off_the_calls_arguments(house: House, way: Any, scope: Any) -> None:
    shadow = house.shadow(score=equality(), scope=scope, publish=house.published.append)
    assert way.call(shadow, lambda order, model: 1, lambda order, model: 1, 7, model="gpt-4") == 1
    assert house.report.scope == house.published[0].scope == "gpt-4"
    house.board.set(NAME, scope="gpt-4", is_open=True)
    pair = way.compare(shadow, lambda order, model: 1, lambda order, model: 1, 7, model="gpt-4")
    assert (pair.why, pair.scope) == (Why.OPEN, "gpt-4")


@pytest.mark.parametrize(("scope", "counted"), [("acme", 1), ("", 0)], ids=["a scope", "the whole"])
def test_a_report_is_late_by_its_own_row_and_not_by_the_wholes(
    house: House, sqlite_url: str, scope: str, counted: int
) -> None:
    engine = create_engine(sqlite_url)
    reporter = Reporter(engine)
    shadow = house.shadow(reporter=reporter, scope=scope, beside="inline")

    def fails_while_the_whole_is_switched_off_and_on() -> None:
        with Session(engine) as session, session.begin():
            CircuitBreaker(session, NAME).disable("off", actor="alice")
            CircuitBreaker(session, NAME).enable("on", actor="alice")
        raise ValueError

    shadow(int, fails_while_the_whole_is_switched_off_and_on)
    assert reporter.flush()
    with Session(engine) as session:
        assert CircuitBreaker(session, NAME, scope=scope).get_state().consecutive_failures == counted
    reporter.close()
    engine.dispose()


def test_the_calls_own_keywords_may_be_called_anything(house: House, way: Any, beside: str) -> None:
    names = dict.fromkeys(("self", "control", "candidate", "scope", "key", "call", "args", "kwargs", "function"), 1)
    shadow = house.shadow(
        score=equality(), beside=beside, scope=lambda **_: "gpt-4", key=lambda **_: "k", isolate=True, sample=1.0
    )
    assert way.call(shadow, lambda **named: named, lambda **named: named, **names) == names
    assert house.report.score == 0.0


@pytest.mark.parametrize("serve", ["control", "candidate", "auto"])
@pytest.mark.parametrize(
    "scope", [None, 7, "x" * 201, "\0", ["list"], object()], ids=["none", "number", "long", "nul", "list", "object"]
)
def test_what_is_no_scope_leaves_the_control_alone(
    house: House, way: Any, serve: str, scope: Any, caplog: pytest.LogCaptureFixture
) -> None:
    called: list[Any] = []
    shadow = house.shadow(serve=serve, scope=lambda: scope)
    for _ in range(2):
        pair = way.compare(shadow, lambda: 1, called.append)
        assert (pair.served, pair.why, pair.kind, pair.answer) == ("control", Why.NO_SCOPE, "no_scope", 1)
    assert called == house.reports == []
    assert shadow.counts["no_scope"] == 2
    assert len(caplog.records) == 1


def test_more_scopes_than_are_kept_leave_the_control_alone(house: House) -> None:
    shadow = house.shadow(score=equality(), scope=str, max_scopes=2, beside="inline")
    for scope in (1, 2, 3, 1, 2, 3):
        assert shadow(lambda _: 1, lambda _: 1, scope) == 1
    assert [report.scope for report in house.reports] == ["1", "2", "1", "2"]
    assert shadow.counts["no_scope"] == 2


def test_a_scope_that_cannot_be_is_refused_at_once(house: House) -> None:
    with pytest.raises(InvalidArgumentError, match="scope must have 0 to 200 characters"):
        house.shadow(scope="x" * 201)


@pytest.mark.parametrize("lifetime", [timedelta(seconds=0.05), "soon"], ids=["timedelta", "datetime"])
@pytest.mark.parametrize(("serve", "answer"), [("control", 1), ("candidate", 2), ("auto", 2)])
def test_a_forgotten_shadow_warns_once_and_compares_no_more(
    house: House, way: Any, caplog: pytest.LogCaptureFixture, serve: str, answer: int, lifetime: Any
) -> None:
    heard: list[Event] = []
    remove = listen(heard.append)
    if lifetime == "soon":
        lifetime = datetime.now(UTC) + timedelta(seconds=0.05)
    shadow = house.shadow(serve=serve, score=equality(), lifetime=lifetime)
    try:
        assert way.call(shadow, lambda: 1, lambda: 2) == answer
        time.sleep(0.06)
        for _ in range(3):
            assert way.call(shadow, lambda: 1, lambda: 2) == answer
    finally:
        remove()
    assert len(house.reports) == 1
    assert [(event.kind, event.name) for event in heard] == [("shadow_expired", NAME)]
    assert [(record.name, record.levelno) for record in caplog.records] == [("driftbreaker", logging.WARNING)]


def test_what_is_over_falls_back_and_stays_open_all_the_same(house: House) -> None:
    shadow = house.shadow(serve="candidate", lifetime=datetime(2020, 1, 1, tzinfo=UTC), beside="inline")
    assert shadow(lambda: 1, lambda: 1 // 0) == 1
    assert shadow.counts.fallbacks == 1
    house.board.set(NAME, is_open=True)
    assert shadow(lambda: 1, lambda: 2) == 1
    assert house.reports == []
