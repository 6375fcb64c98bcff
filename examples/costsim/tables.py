"""The service's database: its own table beside the breakers'. ``python -m costsim.tables`` makes what is missing."""

from __future__ import annotations

import os
from decimal import Decimal

from sqlalchemy import Numeric, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

import driftbreaker

# Any SQLite or PostgreSQL: DATABASE_URL=postgresql+psycopg://user@host/database
engine = create_engine(os.environ.get("DATABASE_URL", "sqlite:///costsim.db"))


class Base(DeclarativeBase):
    """The service's own tables."""


class Quote(Base):
    """One price that was quoted, and by whom."""

    __tablename__ = "costsim_quotes"

    id: Mapped[int] = mapped_column(primary_key=True)
    model: Mapped[str]
    usd: Mapped[Decimal] = mapped_column(Numeric(18, 9, asdecimal=False))
    served_by: Mapped[str]


def create() -> None:
    """Make the tables that are missing. Once, before the workers start: they would all make them at the same time."""
    driftbreaker.metadata.create_all(engine)
    Base.metadata.create_all(engine)


if __name__ == "__main__":
    create()
