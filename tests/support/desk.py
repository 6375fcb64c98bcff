"""A database with breakers in it, at which calls with odd arguments are tried."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from sqlalchemy import Engine, event, select, update
from sqlalchemy.orm import Session

from driftbreaker import BreakerSettings, CircuitBreaker, InvalidArgumentError, WrongSessionError
from driftbreaker.tables import default_tables
from tests.support.size import LONG

at_scale = settings(
    max_examples=3_000 if LONG else 40,
    derandomize=not LONG,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)

# The ids of the two incidents that there are.
OPEN, EXPIRED = "0" * 36, "e" * 36
# Only the database knows what lies ahead, and whose incident it is: these refusals alone come after it was asked.
KNOWN_TO_THE_DATABASE = ("until must lie ahead", "has no incident")

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
            call_incidents(session, open=OPEN, expired=EXPIRED)
            session.commit()
        with Session(engine) as session:
            self.before = rows(session)
        event.listen(engine, "before_cursor_execute", lambda _c, _cursor, sql, *_: self.sent.append(sql))

    def tries(self, call: Call) -> None:
        """Make a call that is refused with nothing sent, or works; either way, the session goes on."""
        with Session(self.engine) as session:
            self.sent.clear()
            refusal = refused(call, session)
            if refusal is not None and not any(words in refusal for words in KNOWN_TO_THE_DATABASE):
                assert len(refusal) < 1_000
                assert not self.sent, f"sent before the refusal: {self.sent}"
                assert not session.in_transaction()
            if refusal is not None:
                assert rows(session) == self.before, "a refusal has changed a row"
            assert CircuitBreaker(session, "pricing").get_state().name == "pricing"
            for name in ("pricing", "open", "expired", "another"):
                breaker = CircuitBreaker(session, name)
                incidents = breaker.get_incidents(include_resolved=True)
                notes = [note for incident in incidents for note in breaker.get_notes(incident.id)]
                for written in (*incidents, *notes, *breaker.get_history()):
                    json.dumps(written.to_dict()).encode()


def refused(call: Call, *given_: Any) -> str | None:
    try:
        finished(call(*given_))
    except REFUSALS as refusal:
        return str(refusal)
    return None


def call_incidents(session: Session, **ids: str) -> None:
    """Give the incident of each breaker an id that tests can name."""
    t = default_tables()
    for name, incident in ids.items():
        session.execute(update(t.incidents).where(t.incidents.c.name == name).values(id=incident))
        for table in (t.breakers, t.outbox, t.history):
            session.execute(update(table).where(table.c.name == name).values(incident_id=incident))


def rows(session: Session) -> Any:
    t = default_tables()
    tables = (t.breakers, t.incidents, t.outbox, t.history, t.notes)
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
