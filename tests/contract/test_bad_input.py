"""Bad input of every kind is refused before anything is sent, in words that say what would be right."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from driftbreaker import BreakerSettings, InvalidArgumentError, NotANumberError
from tests.support.worlds import World, sync

NAN, INF = math.nan, math.inf
NAIVE = datetime(2026, 1, 1)  # noqa: DTZ001
AHEAD = datetime.now(UTC) + timedelta(hours=1)
WEST = timezone(timedelta(hours=-12))

Refusal = tuple[Any, type[Exception], str]

SCORES: list[Refusal] = [
    *(
        (value, InvalidArgumentError, f"drift_score must be a finite number >= 0, got {value!r}: nothing was counted")
        for value in (
            NAN,
            INF,
            -INF,
            -1,
            -0.001,
            Decimal("NaN"),
            Decimal("Infinity"),
            Decimal("1e400"),
            Fraction(-1, 2),
        )
    ),
    *(
        (value, InvalidArgumentError, "drift_score must be a number that fits a float, got ")
        for value in (10**400, -(10**400), 10**5000, Fraction(10**400), Decimal("sNaN"))
    ),
    *(
        (value, NotANumberError, f"drift_score must be a finite number >= 0, got {value!r}")
        for value in (True, False, "0.5", b"1", None, 0.5j, [0.5], {})
    ),
]


def counts(what: str, least: int, *legal: Any) -> list[Refusal]:
    refusals: list[Refusal] = [
        *(
            (value, InvalidArgumentError, f"{what} must be an integer from {least} to 2^63 - 1, got {value!r}")
            for value in (least - 1, -1, -(2**63), 2**63)
        ),
        *(
            (value, InvalidArgumentError, f"{what} must be an integer >= {least}, got {value!r}")
            for value in (1.5, 1.0, NAN, INF, Decimal(1), Decimal("NaN"))
        ),
        *(
            (value, NotANumberError, f"{what} must be an integer >= {least}, got {value!r}")
            for value in (True, "1", None, 1j, [1])
        ),
    ]
    return [refusal for refusal in refusals if refusal[0] not in legal]


def integers(what: str, *values: Any) -> list[Refusal]:
    return [(value, InvalidArgumentError, f"{what} must be an integer") for value in values]


def sentences(what: str) -> list[Refusal]:
    said = f"{what} must be text that is not blank, got "
    return [(value, InvalidArgumentError, said + repr(value)) for value in ("", "  ", "\t\n", None, 7, b"why", ["why"])]


def ends(what: str, *more: Any) -> list[Refusal]:
    naive = f"{what} must have a time zone, got the naive datetime.datetime(2026, 1, 1, 0, 0): use datetime.now(UTC)"
    beyond = (
        datetime.max.replace(tzinfo=UTC),
        datetime.max.replace(tzinfo=WEST),
        datetime.min.replace(tzinfo=UTC),
        datetime.min.replace(tzinfo=timezone(timedelta(hours=14))),
    )
    between = f"{what} must lie between 0001-01-02 and 9999-12-30 in UTC, got datetime.datetime("
    return [
        (NAIVE, InvalidArgumentError, naive),
        *((value, InvalidArgumentError, between) for value in beyond),
        *(
            (value, InvalidArgumentError, f"{what} must be a datetime with a time zone, got {value!r}")
            for value in ("2026-01-01T00:00:00Z", 1_800_000_000, AHEAD.date(), timedelta(hours=1), *more)
        ),
    ]


Call = Callable[[Any, Any], Any]

METHODS: dict[str, tuple[Call, list[Refusal]]] = {
    "report_drift score": (lambda b, v: b.report_drift(v), SCORES),
    "report_drift sample_count": (lambda b, v: b.report_drift(0.1, v), counts("sample_count", 1)),
    "report_drift sample_count of a bad score": (lambda b, v: b.report_drift(0.5, v), counts("sample_count", 1)),
    "report_drift generation": (
        lambda b, v: b.report_drift(0.1, generation=v),
        integers("generation", -1, True, 1.5, "1", 2**63),
    ),
    "report_schema_error count": (lambda b, v: b.report_schema_error(v), counts("error_count", 0)),
    "report_schema_error generation": (
        lambda b, v: b.report_schema_error(9, generation=v),
        integers("generation", -1, False, NAN, "1", 2**63),
    ),
    "report_schema_error of none, generation": (
        lambda b, v: b.report_schema_error(0, generation=v),
        integers("generation", -1, "1"),
    ),
    "disable reason": (lambda b, v: b.disable(v, actor="alice"), sentences("reason")),
    "disable actor": (lambda b, v: b.disable("why", actor=v), sentences("actor")),
    "disable until": (lambda b, v: b.disable("why", actor="alice", until=v), ends("until")),
    "hold reason": (lambda b, v: b.hold(v, actor="alice", until=AHEAD), sentences("reason")),
    "hold actor": (lambda b, v: b.hold("why", actor=v, until=AHEAD), sentences("actor")),
    "hold until": (lambda b, v: b.hold("why", actor="alice", until=v), ends("until")),
    "enable reason": (lambda b, v: b.enable(v, actor="alice"), sentences("reason")),
    "enable actor": (lambda b, v: b.enable("why", actor=v), sentences("actor")),
    "reset reason": (lambda b, v: b.reset(v, actor="alice"), sentences("reason")),
    "reset actor": (lambda b, v: b.reset("why", actor=v), sentences("actor")),
    "force_on reason": (lambda b, v: b.force_on(v, actor="alice", until=AHEAD), sentences("reason")),
    "force_on actor": (lambda b, v: b.force_on("why", actor=v, until=AHEAD), sentences("actor")),
    "force_on until": (lambda b, v: b.force_on("why", actor="alice", until=v), ends("until", None)),
    "get_incidents limit": (
        lambda b, v: b.get_incidents(limit=v),
        integers("limit", -1, 1.5, True, "10", None, 2**63, NAN),
    ),
    "get_history limit": (
        lambda b, v: b.get_history(v),
        integers("limit", -1, 1.5, False, "10", None, 2**63),
    ),
    "get_history before": (lambda b, v: b.get_history(before=v), counts("before", 0, None)),
}


@pytest.fixture
def running(world: World) -> World:
    """A breaker one bad score before its trip, with schema errors counted, and one that is open."""
    with world.session() as session:
        breaker = world.breaker(session)
        breaker.report_drift(0.5)
        breaker.report_drift(0.5)
        breaker.report_schema_error(4)
        world.breaker(session, "open").disable("maintenance", actor="alice")
        session.commit()
    return world


def refuses(call: Call, target: Any, refusals: list[Refusal]) -> None:
    for value, kind, said in refusals:
        with pytest.raises(InvalidArgumentError) as caught:
            call(target, value)
        assert type(caught.value) is kind, value
        assert str(caught.value).startswith(said), value
        assert not hasattr(caught.value, "__notes__"), "nothing was sent: there is nothing to say of the transaction"


@pytest.mark.parametrize("method", METHODS)
def test_bad_input_is_refused_before_anything_is_sent_and_changes_nothing(running: World, method: str) -> None:
    call, refusals = METHODS[method]
    before = running.everything()
    with running.session() as session:
        with running.watch() as seen:
            for name in ("pricing", "open", "never seen"):
                refuses(call, running.breaker(session, name), refusals)
        assert (seen.statements, seen.endings) == ([], [])
        assert sync(session).in_transaction() is False, "not even a transaction has begun"
        session.commit()
    assert running.everything() == before
    with running.session() as session:
        breaker = running.breaker(session)
        refuses(call, breaker, refusals)
        assert breaker.get_state().consecutive_failures == 2, "the streak is not cleared"
        refuses(call, breaker, refusals)
        assert breaker.report_drift(0.5) is not None, "the session goes on, and the third bad score trips"
        session.commit()
    assert running.row()["status"] == "open"


def test_a_missing_score_sentence_reads_as_one_would_say_it(world: World) -> None:
    """The whole sentence, once, as the user reads it."""
    with world.session() as session, pytest.raises(ValueError, match="drift_score") as caught:
        world.breaker(session).report_drift(NAN)
    assert str(caught.value) == "drift_score must be a finite number >= 0, got nan: nothing was counted"


NAMES: list[Refusal] = [
    ("x" * 201, InvalidArgumentError, "{} must have {} to 200 characters, got 201: 'xxx"),
    ("a\x00b", InvalidArgumentError, r"{} must not hold NUL or lone surrogates, got 'a\x00b'"),
    ("a\udc80", InvalidArgumentError, r"{} must not hold NUL or lone surrogates, got 'a\udc80'"),
    *(
        (value, InvalidArgumentError, f"{{}} must be text of {{}} to 200 characters, got {value!r}")
        for value in (None, 7, b"pricing", ["pricing"])
    ),
]


def test_names_and_scopes_that_cannot_be_are_refused(world: World) -> None:
    with world.session() as session, world.watch() as seen:
        empty = ("", InvalidArgumentError, "{} must have {} to 200 characters, got 0: ''")
        for value, kind, said in [empty, *NAMES]:
            refuses(world.breaker, session, [(value, kind, said.format("name", 1))])
        for value, kind, said in NAMES:
            refuses(lambda s, v: world.breaker(s, scope=v), session, [(value, kind, said.format("scope", 0))])
        assert len(seen) == 0


OPTIONS: list[tuple[str, Any, str]] = [
    ("when", "later", "when must be 'now' or 'commit', got 'later'"),
    ("when", None, "when must be 'now' or 'commit', got None"),
    ("settings", {"failure_threshold": 3}, "settings must be BreakerSettings, got dict"),
    ("settings", {}, "settings must be BreakerSettings, got dict"),
    ("settings", 0, "settings must be BreakerSettings, got int"),
    ("tables", "driftbreaker_", "tables must be Tables, got str"),
    ("tables", "", "tables must be Tables, got str"),
    ("clock", datetime.now, "clock must have a method now(), got builtin_function_or_method"),
    ("clock", 0, "clock must have a method now(), got int"),
]


def test_options_that_cannot_be_are_refused_when_the_breaker_is_made(world: World) -> None:
    with world.session() as session:
        for option, value, said in OPTIONS:
            with pytest.raises(InvalidArgumentError) as caught:
                world.breaker(session, **{option: value})
            assert str(caught.value) == said


def test_a_clock_that_answers_naive_time_is_refused_and_nothing_is_written(world: World) -> None:
    class Naive:
        def now(self) -> datetime:
            return NAIVE

    with world.session() as session:
        with pytest.raises(InvalidArgumentError, match=r"the clock's now\(\) must have a time zone"):
            world.breaker(session, clock=Naive()).report_drift(0.5)
        session.commit()
    assert world.count("breakers") == 0


@pytest.mark.parametrize("method", ["hold", "force_on"])
def test_an_end_that_must_lie_ahead_is_refused_and_the_transaction_goes_on(running: World, method: str) -> None:
    """Only the database knows what time it is: this one refusal comes after the row was locked."""
    past = datetime.now(UTC) - timedelta(hours=1)
    before = running.everything()
    with running.session() as session:
        with pytest.raises(InvalidArgumentError, match=f"{method}: until must lie ahead, got {past.isoformat()[:19]}"):
            getattr(running.breaker(session, "open"), method)("why", actor="alice", until=past)
        session.commit()
    assert running.everything() == before


def test_an_end_that_must_lie_ahead_is_refused_before_a_recovery_a_row_or_settings_are_written(running: World) -> None:
    past = datetime.now(UTC) - timedelta(hours=1)
    with running.committed("expired") as breaker:
        breaker.disable("over", actor="alice", until=past)
    before = running.everything()
    refusals = [("force_on", name) for name in ("pricing", "open", "expired", "never seen")] + [("hold", "open")]
    for method, name in refusals:
        with running.session() as session:
            breaker = running.breaker(session, name, settings=BreakerSettings(failure_threshold=9))
            with pytest.raises(InvalidArgumentError, match="until must lie ahead"):
                getattr(breaker, method)("why", actor="alice", until=past)
            session.commit()
        assert running.everything() == before, (method, name)


def test_no_schema_errors_are_a_no_op_that_sends_nothing(running: World) -> None:
    before = running.everything()
    with running.session() as session, running.watch() as seen:
        assert running.breaker(session).report_schema_error(0) is None
        assert running.breaker(session, "never seen").report_schema_error(0, {"a": 1}) is None
        session.commit()
    assert len(seen) == 0
    assert running.everything() == before


def test_no_limit_is_an_empty_list(running: World) -> None:
    with running.session() as session:
        breaker = running.breaker(session, "open")
        assert breaker.get_incidents(limit=0) == []
        assert breaker.get_history(0) == []
        assert len(breaker.get_incidents(limit=2**63 - 1)) == 1
        assert len(breaker.get_history(2**63 - 1, before=2**63 - 1)) == 1


GOOD_SCORES: list[tuple[Any, float]] = [
    (1.5, 1.5),
    (1e308, 1e308),
    (2, 2.0),
    (10**300, 1e300),
    (Decimal("0.75"), 0.75),
    (Fraction(3, 4), 0.75),
]


def test_scores_above_one_and_of_every_kind_of_number_count_and_are_kept(world: World) -> None:
    settings = BreakerSettings(failure_threshold=1)
    for number, (score, kept) in enumerate(GOOD_SCORES):
        with world.committed(f"breaker {number}", settings=settings) as breaker:
            assert breaker.report_drift(score).drift_score == kept
    assert [row["drift_score"] for row in world.rows("incidents")] == [kept for _, kept in GOOD_SCORES]


def test_a_drift_threshold_of_zero_is_honoured(world: World) -> None:
    settings = BreakerSettings(failure_threshold=1, drift_threshold=0.0)
    with world.committed(settings=settings) as breaker:
        assert breaker.report_drift(0.0) is None
        assert breaker.report_drift(5e-324).drift_score == 5e-324


@pytest.mark.parametrize("threshold", [Fraction(1, 5), Decimal("0.2"), 0.2])
def test_a_threshold_of_any_kind_of_number_trips(world: World, threshold: Any) -> None:
    with world.committed(settings=BreakerSettings(failure_threshold=1, drift_threshold=threshold)) as breaker:
        assert breaker.report_drift(0.2) is None
        incident = breaker.report_drift(0.5)
    assert incident.reason == "Drift score 0.5 above 0.2; failure threshold 1 reached"


def test_the_largest_integers_are_kept(world: World) -> None:
    most = 2**63 - 1
    settings = BreakerSettings(failure_threshold=1, schema_error_threshold=most)
    with world.committed("drift", settings=settings) as breaker:
        assert breaker.report_drift(0.5, most).sample_count == most
    with world.committed("schema", settings=settings) as breaker:
        assert breaker.report_schema_error(most - 1) is None
        assert breaker.report_schema_error(most).sample_count == most
    assert [row["sample_count"] for row in world.rows("incidents")] == [most, most]


def test_the_earliest_and_the_latest_ends_are_kept(world: World) -> None:
    first = datetime(1, 1, 2, tzinfo=UTC)
    last = datetime(9999, 12, 29, 23, 59, 59, 999999, tzinfo=UTC)
    for name, until, is_open in (("first", first, False), ("last", last, True)):
        with world.committed(name) as breaker:
            assert breaker.disable("why", actor="alice", until=until)[0]
            assert breaker.is_open() is is_open
        assert world.row(name)["until"] == until
    with world.committed("last") as breaker:
        assert breaker.get_state().disabled_until == last


@pytest.mark.parametrize("door", ["", None, 7, "x" * 33, "a\x00b"], ids=repr)
def test_a_door_that_cannot_be_recorded_is_refused(world: World, door: Any) -> None:
    with world.session() as session, pytest.raises(InvalidArgumentError, match="door must be text of 1 to 32"):
        world.breaker(session, door=door)


def test_a_door_of_ones_own_is_on_record(world: World) -> None:
    with world.committed(door="admin page") as breaker:
        breaker.disable("by hand", actor="alice")
    assert [row["door"] for row in world.rows("history")] == ["admin page"]
