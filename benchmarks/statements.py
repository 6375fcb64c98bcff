"""One statement in the caller's open transaction, beside the same kind of statement through the raw driver."""

from __future__ import annotations

import itertools
from typing import Any

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

import driftbreaker
from driftbreaker import BreakerSettings, CircuitBreaker

from .peers import OriginBreaker, prepare_origin, resilient_call
from .rounds import Contender, Result, race

TRIP_AT_ONCE = BreakerSettings(failure_threshold=1)
COUNT_ON = BreakerSettings(failure_threshold=2**40)


def checks(engine: Engine, limit: float) -> list[Result]:
    """A check beside a primary-key read by the driver."""
    with Session(engine) as session:
        breaker = CircuitBreaker(session, "checked", settings=COUNT_ON)
        return race(
            [
                Contender("raw driver: SELECT by primary key", _raw_read(session)),
                Contender("is_disabled()", breaker.is_disabled, limit),
                Contender("is_open()", breaker.is_open),
                Contender("get_state()", breaker.get_state),
                Contender("report_drift(), healthy", lambda: breaker.report_drift(0.1)),
            ]
        )


def reports(engine: Engine) -> list[Result]:
    """A bad report beside the driver's own UPDATE … RETURNING of a counter."""
    with Session(engine) as session:
        breaker = CircuitBreaker(session, "reported", settings=COUNT_ON)
        breaker.report_drift(0.9)
        results = race(
            [
                Contender("raw driver: UPDATE … RETURNING", _raw_count(session)),
                Contender("report_drift(), bad", lambda: breaker.report_drift(0.9)),
            ]
        )
        session.rollback()
    return results


def prepare(engine: Engine) -> None:
    """Make the tables and the rows that the contenders use."""
    driftbreaker.metadata.create_all(engine)
    with Session(engine) as session, session.begin():
        for name in ("checked", "reported", "raw"):
            CircuitBreaker(session, name, settings=COUNT_ON).report_drift(0.9)
        CircuitBreaker(session, "checked", settings=COUNT_ON).report_drift(0.1)


def _cursor(session: Session) -> tuple[Any, str]:
    driver = session.connection().connection.dbapi_connection
    assert driver is not None
    return driver.cursor(), "?" if "sqlite" in session.connection().dialect.name else "%s"


def _raw_read(session: Session) -> Any:
    cursor, mark = _cursor(session)
    statement = f"SELECT status, until FROM driftbreaker_breakers WHERE name = {mark} AND scope = {mark}"
    return lambda: cursor.execute(statement, ("checked", "")).fetchone()


def _raw_count(session: Session) -> Any:
    cursor, mark = _cursor(session)
    statement = (
        f"UPDATE driftbreaker_breakers SET failures = failures + 1 "
        f"WHERE name = {mark} AND scope = {mark} AND status = 'closed' RETURNING status, failures"
    )
    return lambda: cursor.execute(statement, ("raw", "")).fetchone()


def trips(engine: Engine) -> list[Result]:
    """A trip beside one raw statement that writes the same four rows, each begin to commit."""
    numbers = itertools.count()

    def ours() -> None:
        with Session(engine) as session, session.begin():
            CircuitBreaker(session, f"trip-{next(numbers)}", settings=TRIP_AT_ONCE).report_drift(0.9)

    def raw() -> None:
        with Session(engine) as session, session.begin():
            cursor, _ = _cursor(session)
            cursor.execute(RAW_TRIP, {"n": f"raw-{next(numbers)}"})

    # Both start from a row that exists, as a breaker in service has one.
    with engine.begin() as connection:
        names = text(
            "INSERT INTO driftbreaker_breakers (name, changed_at, settings, settings_hash) "
            "SELECT :prefix || n, now(), :settings, :hash FROM generate_series(0, 9999) n"
        )
        settings = {"settings": TRIP_AT_ONCE.as_json, "hash": TRIP_AT_ONCE.hash}
        connection.execute(names, {"prefix": "trip-", **settings})
        connection.execute(names, {"prefix": "raw-", **settings})
    return race([Contender("raw driver: one CTE", raw), Contender("report_drift() that trips", ours, 2.5)])


def calls(engine: Engine, url: str) -> list[Result]:
    """What one healthy call through a shared breaker costs, each as its own users run it."""

    def ours() -> None:
        with Session(engine) as session, session.begin():
            breaker = CircuitBreaker(session, "checked", settings=COUNT_ON)
            breaker.is_disabled()
            breaker.report_drift(0.1)

    def origin() -> None:
        with Session(engine) as session, session.begin():
            breaker = OriginBreaker(session, "quiet")
            breaker.is_disabled()
            breaker.report_drift(0.1)

    prepare_origin(engine, "quiet")
    conninfo = url.replace("postgresql+psycopg", "postgresql")
    return race(
        [
            Contender("driftbreaker: check and report", ours),
            Contender("the origin's algorithm: check and report", origin),
            Contender("resilient-circuit: one call", resilient_call(conninfo)),
        ]
    )


RAW_TRIP = """
WITH b AS (
  UPDATE driftbreaker_breakers SET failures = failures + 1, status = 'open', opened_at = statement_timestamp(),
    until = statement_timestamp() + interval '24 hours', reason = 'drift', actor = 'raw', incident_id = %(n)s,
    generation = generation + 1, version = version + 1, trip_count = trip_count + 1
  WHERE name = %(n)s AND scope = '' AND status = 'closed' RETURNING opened_at, until
), i AS (
  INSERT INTO driftbreaker_incidents
    (id, name, scope, ts, status, severity, reason, drift_score, sample_count, details, actor, until, generation,
     alert_identity)
  SELECT %(n)s, %(n)s, '', opened_at, 'open', 'P1', 'drift', 0.9, 1, '{}', 'raw', until, 1, %(n)s FROM b
), h AS (
  INSERT INTO driftbreaker_history
    (name, scope, at, change, old_status, new_status, actor, actor_kind, reason, incident_id, details, door, source,
     generation, version)
  SELECT %(n)s, '', opened_at, 'trip', 'closed', 'open', 'raw', 'system', 'drift', %(n)s, '{}', 'raw', 'system', 1, 1
  FROM b
)
INSERT INTO driftbreaker_outbox
  (identity, name, scope, labels, incident_id, state, starts_at, ends_at, version, changed_at)
SELECT %(n)s, %(n)s, '', '{}', %(n)s, 'firing', opened_at, until, 1, opened_at FROM b
"""
