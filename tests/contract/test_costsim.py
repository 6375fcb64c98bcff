"""The origin's contract at its own door: coroutines over a Session or an AsyncSession, set up by the environment."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlmodel

from driftbreaker import costsim
from tests.contract.steps import BAD, GOOD, HOUR, changes
from tests.support.worlds import World

NAME = "costsim_v2"


def trip(breaker: Any) -> Any:
    return [breaker.report_drift(BAD) for _ in range(breaker.failure_threshold)][-1]


def test_the_main_job(world: World) -> None:
    with world.session() as session:
        breaker = world.costsim(session)
        assert breaker.is_disabled() is False
        incident = trip(breaker)
        assert breaker.is_disabled() is True
        session.commit()
    assert isinstance(incident, costsim.Incident)
    assert (incident.severity, incident.drift_score, incident.sample_count) == ("P1", BAD, 1)
    assert world.row(NAME)["actor"] == "circuit_breaker"
    assert world.rows("incidents")[0]["id"] == incident.id


def test_one_schema_error_unless_told_otherwise(world: World) -> None:
    with world.session() as session:
        breaker = world.costsim(session)
        breaker.report_schema_error()
        session.commit()
    assert [errors for _, errors in world.row(NAME)["schema_errors"]] == [1]


def test_module_functions(world: World) -> None:
    with world.session() as session:
        target = session.target
        assert world.call(costsim.is_v2_disabled, target) is False
        changed, incident = world.call(costsim.disable_v2, target, "maintenance", "alice")
        assert (changed, incident.severity, incident.details) == (True, "P2", {"manual_disable": True})
        assert world.call(costsim.is_v2_disabled, target) is True
        assert world.call(costsim.disable_v2, target, "maintenance", "alice") == (False, None)
        assert world.call(costsim.enable_v2, target, "bob") is True
        assert world.call(costsim.enable_v2, target, "bob", "again") is False
        session.commit()
    assert world.rows("incidents")[0]["resolution_notes"] == "Manual enable"
    assert changes(world, NAME) == ["disable", "enable"]


def test_sqlmodel_sessions_serve(world: World) -> None:
    if world.is_async:
        from sqlmodel.ext.asyncio.session import AsyncSession

        session: Any = AsyncSession(world.engine)
    else:
        session = sqlmodel.Session(world.engine)
    breaker = costsim.create_circuit_breaker(session, failure_threshold=1)
    assert world.call(breaker.report_drift, BAD) is not None
    world.call(session.commit)
    world.call(session.close)
    assert world.row(NAME)["status"] == "open"


def test_attributes_and_thresholds(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with world.session() as session:
        default = world.costsim(session)
        assert (default.name, default.failure_threshold, default.drift_threshold) == (NAME, 3, 0.2)
        own = world.costsim(session, 7, 0, "another")
        assert (own.name, own.failure_threshold, own.drift_threshold) == ("another", 7, 0)
        monkeypatch.setenv("COSTSIM_FAILURE_THRESHOLD", "2")
        monkeypatch.setenv("COSTSIM_DRIFT_THRESHOLD", "0.4")
        read_now = world.costsim(session)
        assert (read_now.failure_threshold, read_now.drift_threshold) == (2, 0.4)
        assert default.failure_threshold == 3, "read when it was made"


def test_environment_decides_the_rest(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COSTSIM_DISABLE_TTL_HOURS", "2")
    monkeypatch.setenv("COSTSIM_SCHEMA_ERROR_THRESHOLD", "2")
    monkeypatch.setenv("COSTSIM_AUTO_RECOVER", "false")
    with world.session() as session:
        incident = world.costsim(session).report_schema_error(2)
        session.commit()
    row = world.row(NAME)
    assert incident.severity == "P3"
    assert row["until"] - row["opened_at"] == timedelta(hours=2)
    assert row["auto_recover"] is False
    monkeypatch.setenv("COSTSIM_DISABLE_TTL_HOURS", "0")
    with world.session() as session:
        trip(world.costsim(session, name="forever"))
        session.commit()
    assert world.row("forever")["until"] is None


def test_auto_disable_off_counts_and_never_trips(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COSTSIM_V2_AUTO_DISABLE", "false")
    with world.session() as session:
        assert trip(world.costsim(session)) is None
        session.commit()
    assert (world.row(NAME)["status"], world.row(NAME)["failures"]) == ("closed", 3)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("COSTSIM_DRIFT_THRESHOLD", "a lot"),
        ("COSTSIM_DRIFT_THRESHOLD", "-0.1"),
        ("COSTSIM_DRIFT_WARNING_THRESHOLD", "nan"),
        ("COSTSIM_FAILURE_THRESHOLD", "0"),
        ("COSTSIM_FAILURE_THRESHOLD", "1.5"),
        ("COSTSIM_SCHEMA_ERROR_THRESHOLD", ""),
        ("COSTSIM_V2_AUTO_DISABLE", "maybe"),
        ("COSTSIM_AUTO_RECOVER", "2"),
        ("COSTSIM_DISABLE_TTL_HOURS", "-1"),
        ("COSTSIM_DISABLE_TTL_HOURS", "1e9"),
        ("ALERTMANAGER_URL", "alertmanager:9093"),
        ("ALERTMANAGER_TIMEOUT", "0"),
        ("ALERTMANAGER_RETRY_ATTEMPTS", "0"),
        ("ALERTMANAGER_RETRY_DELAY", "inf"),
    ],
)
def test_unusable_environment_names_variable_and_value(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with sqlite_world.session() as session, pytest.raises(ValueError, match=variable) as refused:
        sqlite_world.costsim(session)
    assert repr(value) in str(refused.value)


def test_plain_readers_on_a_session(world: World) -> None:
    with world.session() as session:
        breaker = world.costsim(session)
        if world.is_async:
            for reader in ("is_open", "is_closed", "get_state", "get_incidents"):
                with pytest.raises(TypeError, match="AsyncCircuitBreaker"):
                    getattr(breaker, reader)()
            return
        assert (breaker.is_open(), breaker.is_closed()) == (False, True)
        incident = trip(breaker)
        state = breaker.get_state()
        assert isinstance(state, costsim.CircuitBreakerState)
        assert (state.is_open, state.incident_id, state.disabled_by) == (True, incident.id, "circuit_breaker")
        (listed,) = breaker.get_incidents()
        assert listed.to_dict() == incident.to_dict()
        assert breaker.get_incidents(limit=0) == []
        with pytest.raises(ValueError, match="limit"):
            breaker.get_incidents(limit=-1)


def test_disable_and_enable_by_hand(world: World) -> None:
    until = datetime.now(UTC) + HOUR
    with world.session() as session:
        breaker = world.costsim(session)
        changed, first = breaker.disable_v2("maintenance", "alice", until)
        assert changed
        assert breaker.disable_v2("maintenance", "bob", until) == (False, None)
        extended, present = breaker.disable_v2("maintenance", "bob", until + HOUR)
        assert (extended, present.id) == (True, first.id)
        superseded, second = breaker.disable_v2("something worse", "bob")
        assert superseded
        assert second.id != first.id
        assert breaker.enable_v2("carol", "fixed") is True
        assert breaker.enable_v2("carol") is False
        session.commit()
    old, new = world.rows("incidents")
    assert (old["status"], old["superseded_by"]) == ("superseded", second.id)
    assert (new["resolved_by"], new["resolution_notes"]) == ("carol", "fixed")
    assert changes(world, NAME) == ["disable", "extend", "supersede", "enable"]


def test_reset_supplies_its_defaults(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, (instance, blank) in enumerate([(None, None), ("worker-7", " ")]):
        if instance:
            monkeypatch.setenv("INSTANCE_ID", instance)
        with world.session() as session:
            breaker = world.costsim(session)
            trip(breaker)
            assert breaker.reset(blank, blank) is True
            assert breaker.reset() is False
            session.commit()
        resolved = world.rows("incidents")[number]
        assert resolved["resolution_notes"] == "Manual reset"
        assert resolved["resolved_by"] == (instance or socket.gethostname())


@pytest.mark.parametrize("blank", ["", "  ", None, 7])
def test_blank_actors_and_reasons_are_refused(world: World, blank: Any) -> None:
    with world.session() as session:
        breaker = world.costsim(session)
        for call, what in (
            (lambda: breaker.disable_v2(blank, "alice"), "reason"),
            (lambda: breaker.disable_v2("why", blank), "disabled_by"),
            (lambda: breaker.enable_v2(blank), "enabled_by"),
        ):
            with world.watch() as seen, pytest.raises(ValueError, match=what):
                call()
            assert len(seen) == 0


def test_naive_end_is_refused(world: World) -> None:
    with world.session() as session, pytest.raises(ValueError, match="disabled_until must have a time zone"):
        world.costsim(session).disable_v2("why", "alice", datetime(2030, 1, 1))  # noqa: DTZ001  the point


def test_expired_breaker_answers_false_and_recovers(world: World) -> None:
    with world.session() as session:
        trip(world.costsim(session))
        session.commit()
    world.age(timedelta(hours=25))
    with world.session() as session:
        breaker = world.costsim(session)
        assert breaker.is_disabled() is False
        breaker.report_drift(GOOD)
        session.commit()
    (incident,) = world.rows("incidents")
    assert incident["resolved_by"] == "system-auto-recover"
    assert incident["resolved_at"] - incident["ts"] == timedelta(hours=24)
    assert changes(world, NAME) == ["trip", "recover"]


def test_enable_and_reset_on_an_expired_breaker_answer_false(world: World) -> None:
    for name in ("enabled", "reset"):
        with world.session() as session:
            trip(world.costsim(session, name=name))
            session.commit()
    world.age(timedelta(hours=25))
    with world.session() as session:
        assert world.costsim(session, name="enabled").enable_v2("alice") is False
        assert world.costsim(session, name="reset").reset() is False
        session.commit()
    assert changes(world, "enabled") == changes(world, "reset") == ["trip", "recover"]


LABELS = {"alertname": "CostSimV2Disabled", "component": "costsim", "circuit_breaker": NAME}


@pytest.mark.parametrize(
    ("priority", "severity", "cause"),
    [
        ("P1", "critical", lambda b: trip(b)),
        ("P2", "warning", lambda b: b.disable_v2("by hand", "alice")),
        ("P3", "info", lambda b: b.report_schema_error(5)),
    ],
)
def test_alert_labels_are_the_contracts(world: World, priority: str, severity: str, cause: Any) -> None:
    with world.session() as session:
        cause(world.costsim(session))
        session.commit()
    (alert,) = world.rows("outbox")
    assert alert["labels"] == {**LABELS, "severity": severity, "priority": priority}
    fired = (alert["identity"], alert["labels"], alert["starts_at"])
    with world.session() as session:
        world.costsim(session).enable_v2("alice")
        session.commit()
    (alert,) = world.rows("outbox")
    assert (alert["identity"], alert["labels"], alert["starts_at"]) == fired, "resolved under the same labels"
    assert alert["state"] == "resolved"


def test_no_file_is_written_and_nothing_is_sent_inside_the_transaction(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    target = tmp_path / "incidents"
    monkeypatch.setenv("COSTSIM_INCIDENT_DIR", str(target))
    monkeypatch.setenv("ALERTMANAGER_URL", "http://127.0.0.1:9")
    with world.session() as session:
        assert trip(world.costsim(session)) is not None
        session.rollback()
    assert not target.exists()
    assert world.count("outbox") == 0


def test_a_call_retried_after_a_serialization_failure_does_no_harm(postgres_world: World) -> None:
    """RetryPolicy.SAFE, proved: the loser of a race under REPEATABLE READ retries, and there is one incident."""
    from sqlalchemy.exc import DBAPIError

    world = postgres_world
    with world.session() as session:
        world.costsim(session, 1, name="other").report_drift(BAD)
        session.commit()
    with world.session() as session:
        session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        breaker = world.costsim(session, 2)
        breaker.is_disabled()  # pins the snapshot
        with world.session() as other:
            world.costsim(other, 2).report_drift(BAD)
            other.commit()
        with pytest.raises(DBAPIError) as refused:
            breaker.report_drift(BAD)
        assert getattr(refused.value.orig, "sqlstate", None) == "40001"
        session.rollback()
        assert world.costsim(session, 2).report_drift(BAD) is not None
        session.commit()
    assert world.row(NAME)["failures"] == 2
    assert len([row for row in world.rows("incidents") if row["name"] == NAME]) == 1
