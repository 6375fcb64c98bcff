"""The application around the breaker: one table of its own, written in the same transactions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Column, Integer, MetaData, Numeric, String, Table, func, insert, select

if TYPE_CHECKING:
    from decimal import Decimal

    from sqlalchemy import Connection
    from sqlalchemy.orm import Session

# Apart from the library's metadata: an application has its own, and the demo plays an application.
application = MetaData()

estimates = Table(
    "driftbreaker_demo_estimates",
    application,
    Column("breaker", String(200), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("model", String(100), nullable=False),
    Column("served_by", String(16), nullable=False),
    Column("usd", Numeric(18, 9, asdecimal=False), nullable=False),
)


def record_estimate(session: Session, breaker: str, number: int, model: str, served_by: str, cost: Decimal) -> None:
    """Write what was served, in the session's transaction."""
    session.execute(
        insert(estimates).values(breaker=breaker, number=number, model=model, served_by=served_by, usd=float(cost))
    )


def count_estimates(connection: Connection, breaker: str) -> int:
    """Return how many estimates are recorded beside a breaker."""
    return connection.scalar(select(func.count()).where(estimates.c.breaker == breaker)) or 0
