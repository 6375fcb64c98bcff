"""Each check finds what it looks for, and says what to do; none raises."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

from driftbreaker import Alertmanager, CircuitBreaker, Relay, health, store
from driftbreaker.alertmanager import Checkup
from driftbreaker.health import Finding, Verdict, examine
from driftbreaker.store import Reader
from tests.support.receiver import Answer, Receiver, closed_port

OK, WARNING, FAILED, SKIPPED = Verdict.OK, Verdict.WARNING, Verdict.FAILED, Verdict.SKIPPED


def by_name(engine: Engine) -> dict[str, Finding]:
    return {finding.name: finding for finding in examine(engine)}


def disable(engine: Engine, name: str) -> None:
    with Session(engine) as session, session.begin():
        CircuitBreaker(session, name).disable("off", actor="alice")


def set_back(engine: Engine, column: str, seconds: int) -> None:
    table = "outbox" if column in ("changed_at", "ends_at") else "deliveries"
    if engine.dialect.name == "sqlite":
        ago = f"strftime('%Y-%m-%d %H:%M:%f', 'now', '-{seconds} seconds') || '000'"
    else:
        ago = f"now() - interval '{seconds} seconds'"
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE driftbreaker_{table} SET {column} = {ago}"))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def test_a_healthy_database_is_healthy(engine: Engine) -> None:
    found = by_name(engine)
    assert {each.verdict for each in found.values()} <= {OK, SKIPPED} | (
        {WARNING} if "postgresql" in engine.dialect.name else set()
    )
    assert found["schema"].told == "7 tables, as version 1 wants them"
    if engine.dialect.name == "postgresql":
        warned = {name for name, each in found.items() if each.verdict is WARNING}
        assert warned == {"connect timeout"}, "the tests' own URL says nothing of it"
    assert all(bool(each.advice) is (each.verdict in (WARNING, FAILED)) for each in found.values())
    assert all("\n" not in each.told + each.advice for each in found.values())


def test_examining_writes_nothing(engine: Engine) -> None:
    disable(engine, "pricing")
    counts = [text(f"SELECT count(*) FROM driftbreaker_{name}") for name in ("breakers", "history", "deliveries")]
    with engine.connect() as connection:
        before = [connection.execute(each).scalar_one() for each in counts]
    list(examine(engine))
    with engine.connect() as connection:
        assert [connection.execute(each).scalar_one() for each in counts] == before


def test_a_database_that_is_not_there_is_the_one_finding_and_shows_no_password() -> None:
    engine = create_engine("postgresql+psycopg://u:hunter2@127.0.0.1:1/x")
    (found,) = examine(engine)
    assert (found.name, found.verdict) == ("database", FAILED)
    assert "hunter2" not in found.told


def test_a_driver_that_quotes_the_password_is_not_quoted() -> None:
    def refuse() -> None:
        raise RuntimeError("no entry for u with hunter2\nmore")

    engine = create_engine("postgresql+psycopg://u:hunter2@host/x", creator=refuse)
    assert health.check_database(engine).told == "it does not answer: no entry for u with ***"


def test_without_tables_nothing_is_asked_of_them(empty: Engine) -> None:
    found = by_name(empty)
    assert found["schema"].verdict is FAILED
    assert {found[name].told for name in ("grants", "outbox", "relay")} == {"see to the tables first"}


def test_a_table_that_a_migration_has_locked_is_not_waited_for(
    postgres_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("driftbreaker.health.finding.PATIENCE", 0.1)
    with postgres_engine.begin() as migration:
        migration.execute(text("LOCK TABLE driftbreaker_outbox IN ACCESS EXCLUSIVE MODE"))
        # Some versions lock a table even to tell what it is like.
        assert FAILED in {each.verdict for each in examine(postgres_engine)}
        found = health.check_outbox(postgres_engine)
    assert found.verdict is FAILED
    assert "lock timeout" in found.told


def test_an_old_version_is_said(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("driftbreaker.health.database.LEAST", {"sqlite": (99,), "postgresql": (99, 1)})
    found = health.check_database(engine)
    assert found.verdict is FAILED
    assert "or newer is supported" in found.advice


def test_autocommit_is_no_transaction_to_join(postgres_url: str) -> None:
    engine = create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    found = health.check_transactions(engine)
    assert found.verdict is FAILED
    assert "NoTransactionError" in found.told
    engine.dispose()


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("default_transaction_read_only=on", "transactions are read-only here"),
        ("default_transaction_isolation=serializable", "the isolation is serializable"),
    ],
)
def test_other_transactions_are_warned_of(postgres_url: str, option: str, told: str) -> None:
    engine = create_engine(postgres_url, connect_args={"options": f"-c {option}"})
    found = health.check_transactions(engine)
    assert found.verdict is WARNING
    assert told in found.told
    engine.dispose()


@pytest.mark.parametrize(
    ("apart", "verdict"), [(1.5, OK), (-1.5, OK), (2.5, WARNING), (-2.5, WARNING), (61, FAILED), (-61, FAILED)]
)
def test_clocks_that_disagree(
    postgres_engine: Engine, apart: float, verdict: Verdict, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = store.database_now
    monkeypatch.setattr(store, "database_now", lambda *given: real(*given) + timedelta(seconds=apart))
    found = health.check_clock(postgres_engine)
    assert found.verdict is verdict
    assert ("ahead of" in found.told) is (apart > 0)


def test_a_slow_way_is_no_skew(postgres_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """What took 50 ms on the way there looks like a skew of 25, and is none."""
    real = store.database_now

    def slow(*given: Any) -> Any:
        time.sleep(0.05)
        return real(*given)

    monkeypatch.setattr(store, "database_now", slow)
    monkeypatch.setattr("driftbreaker.health.clocks.WARN", 0.01)
    assert health.check_clock(postgres_engine).verdict is OK


def test_notifications_arrive(postgres_engine: Engine) -> None:
    found = health.check_notifications(postgres_engine)
    assert found.verdict is OK
    assert "arrives after" in found.told


def test_notifications_that_do_not_arrive(postgres_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Reader, "ping", lambda *_: None)
    found = health.check_notifications(postgres_engine, within=0.1)
    assert found.verdict is WARNING
    assert "a pooler in transaction mode loses them" in found.told
    assert "listen_on" in found.advice


def test_looking_leaves_no_connection_behind(postgres_engine: Engine) -> None:
    query = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
    list(examine(postgres_engine))
    postgres_engine.dispose()
    with postgres_engine.connect() as connection:
        assert connection.execute(query).scalar_one() == 0


@pytest.mark.parametrize(
    ("backends", "verdict"),
    [([1, 2, 1], OK), ([1, 1, 2], WARNING), ([1, 2, 3], WARNING), ([1, 1, 1], WARNING)],
    ids=["none", "shared-and-moved", "moved", "shared"],
)
def test_a_pooler_is_known_by_what_it_does(
    postgres_engine: Engine, backends: list[int], verdict: Verdict, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = cycle(backends)
    monkeypatch.setattr("driftbreaker.store.health.backend", lambda *_: next(answers))
    assert health.check_pooler(postgres_engine).verdict is verdict


def test_a_pooler_that_psycopg_is_set_for_is_well(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = create_engine(postgres_url, connect_args={"prepare_threshold": None})
    answers = cycle([1, 1, 2])
    monkeypatch.setattr("driftbreaker.store.health.backend", lambda *_: next(answers))
    assert health.check_pooler(engine).verdict is OK
    engine.dispose()


def test_a_pool_of_one_is_room_enough(postgres_url: str) -> None:
    engine = create_engine(postgres_url, pool_size=1, max_overflow=0, pool_timeout=0.1)
    assert not [each for each in examine(engine) if each.verdict is FAILED]
    engine.dispose()


@pytest.mark.parametrize(
    ("url", "arguments", "variable", "verdict"),
    [
        ("{}", {}, None, WARNING),
        ("{}", {"connect_timeout": 10}, None, WARNING),
        ("{}", {"connect_timeout": 7}, None, OK),
        ("{}", {}, "5", OK),
        ("{}&connect_timeout=5", {}, None, OK),
    ],
    ids=["none", "ours", "arguments", "environment", "url"],
)
def test_how_long_connecting_may_take(
    postgres_url: str,
    url: str,
    arguments: dict[str, Any],
    variable: str | None,
    verdict: Verdict,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("PGCONNECT_TIMEOUT", raising=False)
    if variable is not None:
        monkeypatch.setenv("PGCONNECT_TIMEOUT", variable)
    full = url.format(postgres_url)
    engine = create_engine(full if "?" in full else full.replace("&", "?"), connect_args=arguments)
    assert health.check_connect_timeout(engine, ours=10).verdict is verdict
    engine.dispose()


@pytest.mark.parametrize(("seconds", "verdict"), [(10, OK), (90, WARNING), (400, FAILED)])
def test_an_alert_that_waits(engine: Engine, seconds: int, verdict: Verdict) -> None:
    disable(engine, "pricing")
    set_back(engine, "changed_at", seconds)
    outbox, relay = health.check_outbox(engine), health.check_relay(engine)
    assert (outbox.verdict, relay.verdict) == (verdict, verdict)
    assert "'pricing'" in outbox.told
    assert "no relay has taken it yet" in outbox.told
    assert "nothing was ever sent" in relay.told


def test_an_alert_that_was_sent_and_a_relay_that_lives(engine: Engine, receiver: Receiver) -> None:
    disable(engine, "pricing")
    Relay(engine, [Alertmanager(receiver.url)]).run_once()
    outbox, relay = health.check_outbox(engine), health.check_relay(engine)
    assert (outbox.verdict, outbox.told) == (OK, "nothing waits; 1 alert on")
    assert (relay.verdict, relay.told) == (OK, "nobody is late; last sent 0 s ago")


@pytest.mark.parametrize(("seconds", "verdict"), [(30, OK), (90, WARNING), (400, FAILED)])
def test_a_relay_that_stopped_is_missed(engine: Engine, receiver: Receiver, seconds: int, verdict: Verdict) -> None:
    disable(engine, "pricing")
    Relay(engine, [Alertmanager(receiver.url)]).run_once()
    set_back(engine, "next_at", seconds)
    found = health.check_relay(engine)
    assert found.verdict is verdict
    assert verdict is OK or "driftbreaker relay" in found.advice


def test_a_recovery_that_nobody_wrote_is_a_relays_too(engine: Engine) -> None:
    with Session(engine) as session, session.begin():
        until = datetime.now(UTC) - timedelta(minutes=10)
        CircuitBreaker(session, "pricing").disable("off", actor="alice", until=until)
    assert health.check_relay(engine).verdict is FAILED


def test_what_a_channel_could_not_send_is_told_with_its_error(engine: Engine) -> None:
    disable(engine, "pricing")
    Relay(engine, [Alertmanager(closed_port())]).run_once()
    set_back(engine, "changed_at", 400)
    found = health.check_outbox(engine)
    assert found.verdict is FAILED
    assert "alertmanager: " in found.told
    assert "ConnectError" in found.told
    assert health.check_relay(engine).verdict is OK, "one lives: it tries again"


def test_what_a_channel_refused_is_a_failure(engine: Engine, receiver: Receiver) -> None:
    receiver.script(then=Answer(400, "no such label"))
    disable(engine, "pricing")
    Relay(engine, [Alertmanager(receiver.url)]).run_once()
    found = health.check_outbox(engine)
    assert found.verdict is FAILED
    assert "1 alert refused, 'pricing' by alertmanager" in found.told
    assert "no such label" in found.told
    assert "driftbreaker outbox retry" in found.advice


@pytest.mark.parametrize(
    ("timeout", "resend", "verdict"),
    [
        ("5m", 60, OK),
        ("1m", 60, WARNING),
        ("30s", 60, WARNING),
        ("1m30s", 60, OK),
        ("1h", 3600, WARNING),
        (None, 60, OK),
        ("soon", 60, OK),
    ],
)
def test_resolve_timeout_against_the_re_send_interval(timeout: str | None, resend: float, verdict: Verdict) -> None:
    checkup = Checkup(url="http://am:9093", ready=True, version="0.25.0", resolve_timeout=timeout)
    assert health.judge_alertmanager(checkup, resend).verdict is verdict


def test_an_alertmanager_that_answers_and_one_that_does_not(receiver: Receiver) -> None:
    status = {"versionInfo": {"version": "0.25.0"}, "config": {"original": "global:\n  resolve_timeout: 5m\n"}}
    receiver.script(Answer(200, "OK"), Answer(200, json.dumps(status)))
    one, other = health.check_alertmanager(Alertmanager([receiver.url, closed_port()]))
    assert (one.verdict, other.verdict) == (OK, FAILED)
    assert "0.25.0 is ready, resolve_timeout 5m" in one.told
    assert [request.method for request in receiver.requests] == ["GET", "GET"], "no alert is sent"


def test_an_incident_directory_that_is_there_and_one_to_be_made(tmp_path: Path) -> None:
    assert health.check_incident_directory(tmp_path).told == f"{tmp_path} can be written"
    found = health.check_incident_directory(tmp_path / "a" / "b")
    assert (found.verdict, found.told) == (OK, f"{tmp_path / 'a' / 'b'} will be made in {tmp_path}")
    assert os.listdir(tmp_path) == [], "nothing is left, and nothing made"


def test_an_incident_directory_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    found = health.check_incident_directory(tmp_path / "file")
    assert found.verdict is FAILED
    assert "Not a directory" in found.told


def test_sqlite_tells_its_journal_and_its_patience(sqlite_url: str) -> None:
    engine = create_engine(sqlite_url)
    found = health.check_sqlite(engine)
    assert found.verdict is OK
    assert "journal delete, a writer waits 5 s" in found.told
    engine.dispose()
    hasty = create_engine(sqlite_url, connect_args={"timeout": 0})
    assert health.check_sqlite(hasty).verdict is WARNING
    hasty.dispose()
    alone = create_engine("sqlite://", poolclass=StaticPool)
    assert "nobody else sees it" in health.check_sqlite(alone).told
    alone.dispose()
