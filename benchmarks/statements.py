"""One statement in the caller's open transaction, beside the same kind of statement through the raw driver."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine
from sqlalchemy.orm import Session

import driftbreaker
from driftbreaker import BreakerSettings, CircuitBreaker

from .rounds import Contender, Result, race

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
