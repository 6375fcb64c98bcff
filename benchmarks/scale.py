"""Does it stay the same when the tables are large?"""

from __future__ import annotations

import os

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from driftbreaker import BreakerSettings, CircuitBreaker

from .rounds import Contender, Result, race

MANY = 1_000_000
#: A night's form has a million of these as well.
REPORTS = 1_000_000 if os.environ.get("DRIFTBREAKER_LONG") == "1" else 20_000


def grow(small: Engine, large: Engine) -> list[Result]:
    """A check among a million breakers beside one among few; incident lists of a million beside one of a thousand."""
    _fill(large)
    with Session(small) as few, Session(large) as session:
        checks = race(
            [
                Contender("check, few breakers", CircuitBreaker(few, "checked").is_disabled),
                Contender("check, a million breakers", CircuitBreaker(session, "many-77777").is_disabled, 1.5),
            ]
        )
        lists = race(
            [
                Contender("incidents of a breaker with 1,000", _list(session, "short")),
                Contender("incidents of a breaker with 1,000,000", _list(session, "long"), 2.0),
                Contender("unresolved of a breaker with 1,000,000", CircuitBreaker(session, "long").get_incidents),
            ]
        )
    return [*checks, *lists]


def _list(session: Session, name: str) -> object:
    breaker = CircuitBreaker(session, name)
    return lambda: breaker.get_incidents(include_resolved=True)


def _fill(engine: Engine) -> None:
    incidents = text(
        "INSERT INTO driftbreaker_incidents (id, name, scope, ts, status, severity, reason, drift_score, sample_count,"
        " details, actor, generation, alert_identity, resolved_at) SELECT left(md5(:name || n), 32), :name, '',"
        " now() - n * interval '1 second', 'resolved', 'P1', 'drift', 0.5, 1, '{}', 'bench', 1, 'x', now()"
        " FROM generate_series(1, :count) n"
    )
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO driftbreaker_breakers (name, changed_at)"
                f" SELECT 'many-' || n, now() FROM generate_series(1, {MANY}) n"
            )
        )
        connection.execute(incidents, {"name": "short", "count": 1_000})
        connection.execute(incidents, {"name": "long", "count": MANY})
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE driftbreaker_breakers, driftbreaker_incidents"))


def heap_only(engine: Engine, reports: int = REPORTS) -> float:
    """Return the share of a flapping breaker's updates that touched no index."""
    counters = text("SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'driftbreaker_breakers'")
    settings = BreakerSettings(failure_threshold=2**40)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SELECT pg_stat_force_next_flush()"))
        before = connection.execute(counters).one()
        for number in range(reports):
            with Session(engine) as session, session.begin():
                CircuitBreaker(session, "flapping", settings=settings).report_drift(0.9 if number % 2 else 0.1)
        engine.dispose()
        connection.execute(text("SELECT pg_stat_clear_snapshot()"))
        after = connection.execute(counters).one()
    updates, hot = after[0] - before[0], after[1] - before[1]
    return float(hot / updates) if updates else float("nan")
