"""A database with breakers in it, at which calls with odd arguments are tried."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from sqlalchemy import Engine, event, select
from sqlalchemy.orm import Session

from driftbreaker import BreakerSettings, CircuitBreaker, InvalidArgumentError, WrongSessionError
from driftbreaker.tables import default_tables

LONG = bool(os.environ.get("DRIFTBREAKER_LONG"))

at_scale = settings(
    max_examples=3_000 if LONG else 40,
    derandomize=not LONG,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)

REFUSALS = (InvalidArgumentError, WrongSessionError)
Call = Callable[..., Any]


class Desk:
    """A database with breakers in it, and what is sent to it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.sent: list[str] = []
        default_tables().metadata.create_all(engine)
        with Session(engine) as session:
            CircuitBreaker(session, "pricing").report_drift(0.5)
            CircuitBreaker(session, "open").disable("maintenance", actor="alice")
            CircuitBreaker(session, "expired").disable(
                "over", actor="alice", until=datetime.now(UTC) - timedelta(hours=1)
            )
            session.commit()
        with Session(engine) as session:
            self.before = rows(session)
        event.listen(engine, "before_cursor_execute", lambda _c, _cursor, sql, *_: self.sent.append(sql))

    def tries(self, call: Call) -> None:
        """Make a call that is refused with nothing sent, or works; either way, the session goes on."""
        with Session(self.engine) as session:
            self.sent.clear()
            refusal = refused(call, session)
            # Only the database knows what lies ahead: this one refusal comes after the row was locked.
            if refusal is not None and "until must lie ahead" not in refusal:
                assert len(refusal) < 1_000
                assert not self.sent, f"sent before the refusal: {self.sent}"
                assert not session.in_transaction()
            if refusal is not None:
                assert rows(session) == self.before, "a refusal has changed a row"
            assert CircuitBreaker(session, "pricing").get_state().name == "pricing"
            for name in ("pricing", "open", "another"):
                for incident in CircuitBreaker(session, name).get_incidents(include_resolved=True):
                    json.dumps(incident.to_dict()).encode()
                for entry in CircuitBreaker(session, name).get_history():
                    json.dumps(entry.to_dict()).encode()


def refused(call: Call, *given_: Any) -> str | None:
    try:
        finished(call(*given_))
    except REFUSALS as refusal:
        return str(refusal)
    return None


def rows(session: Session) -> Any:
    t = default_tables()
    tables = (t.breakers, t.incidents, t.outbox, t.history)
    return [session.connection().execute(select(each).where(each.c.name != "late")).all() for each in tables]


def finished(result: Any) -> Any:
    """What a coroutine that never waits comes to."""
    if not hasattr(result, "send"):
        return result
    try:
        result.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waits")


def trip(session: Session, own: BreakerSettings) -> None:
    """What settings take part in: a count, a trip, an opening by hand, a copy in the row."""
    assert isinstance(own.hash, str)
    breaker = CircuitBreaker(session, "another", settings=own)
    breaker.report_drift(1e300)
    breaker.report_schema_error(2**62)
    breaker.disable("why", actor="alice")
    breaker.get_state()
