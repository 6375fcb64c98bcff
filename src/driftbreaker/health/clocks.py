"""Does this host's clock agree with the database's."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from .. import store
from ..tables import Tables, default_tables
from .finding import Finding, failed, ok, on_database, skipped, warning

WARN = 2.0
FAIL = 60.0
_LOOKS = 3


@on_database("clock")
def check_clock(engine: Engine, tables: Tables | None = None) -> Finding:
    """Find how far the two clocks lie apart, less what the way there and back may have taken.

    Breakers go by the database's clock alone; people, dashboards and an Alertmanager on this host do not.
    """
    if engine.dialect.name == "sqlite":
        return skipped("clock", "SQLite goes by this host's own")
    with Session(engine) as session:
        ahead, took = min((_look(session, tables or default_tables()) for _ in range(_LOOKS)), key=lambda look: look[1])
    apart = max(0.0, abs(ahead) - took / 2)
    told = f"the database's is {abs(ahead):.3f} s {'ahead of' if ahead > 0 else 'behind'} this host's"
    told += f", give or take {took / 2:.3f} s"
    advice = "Let both hosts keep time by NTP: ends by hand are reckoned from the database's clock"
    if apart >= FAIL:
        return failed("clock", told, advice)
    return warning("clock", told, advice) if apart >= WARN else ok("clock", told)


def _look(session: Session, tables: Tables) -> tuple[float, float]:
    """Return how far ahead the database's clock is, and how many seconds it took to ask."""
    before = datetime.now(UTC)
    theirs = store.database_now(session, tables)
    after = datetime.now(UTC)
    took = (after - before).total_seconds()
    return (theirs - before).total_seconds() - took / 2, abs(took)
