"""The doctor before a real PgBouncer: it knows one by what it does, and what that costs."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine

from driftbreaker.health import Finding, Verdict, examine
from driftbreaker.testing import PostgresServer
from tests.support.pooler import CONNECT_ARGUMENTS, pooler


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("driftbreaker.health.listening.check_notifications.__kwdefaults__", {"within": 0.5})


def examined(url: str, **arguments: object) -> dict[str, Finding]:
    engine = create_engine(url, connect_args=arguments)
    try:
        return {finding.name: finding for finding in examine(engine)}
    finally:
        engine.dispose()


@pytest.mark.parametrize("round_robin", [0, 1])
def test_transaction_mode_is_noticed_and_nothing_fails(
    postgres: PostgresServer, postgres_database: str, round_robin: int
) -> None:
    with pooler(postgres, server_round_robin=round_robin) as pool:
        for _ in range(5):
            found = examined(pool.url(postgres_database))
            assert found["pooler"].verdict is Verdict.WARNING, found["pooler"]
            assert "prepare_threshold" in found["pooler"].advice
            assert found["notifications"].verdict is Verdict.WARNING, found["notifications"]
            assert "a pooler in transaction mode loses them" in found["notifications"].told
            assert not [each for each in found.values() if each.verdict is Verdict.FAILED]


def test_where_nothing_is_prepared_only_notifications_are_missed(
    postgres: PostgresServer, postgres_database: str
) -> None:
    with pooler(postgres) as pool:
        found = examined(pool.url(postgres_database), **CONNECT_ARGUMENTS["psycopg"])
    assert found["pooler"].verdict is Verdict.OK
    assert "psycopg prepares nothing" in found["pooler"].told
    assert found["notifications"].verdict is Verdict.WARNING


def test_session_mode_is_as_good_as_none(postgres: PostgresServer, postgres_database: str) -> None:
    with pooler(postgres, mode="session") as pool:
        found = examined(pool.url(postgres_database))
    assert found["pooler"].told == "none that shares sessions"
    assert found["notifications"].verdict is Verdict.OK


def test_statement_mode_is_a_failure(postgres: PostgresServer, postgres_database: str) -> None:
    with pooler(postgres, mode="statement") as pool:
        found = examined(pool.url(postgres_database))
    assert [each for each in found.values() if each.verdict is Verdict.FAILED]
