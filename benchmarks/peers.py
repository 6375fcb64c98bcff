"""The others, in the same run: the origin's algorithm, written anew, and resilient-circuit on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from fractions import Fraction

from sqlalchemy import DateTime, Engine, String, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column


class Base(DeclarativeBase):
    """The stand-in's own tables."""


class OriginState(Base):
    """One row per breaker, as the origin module kept it."""

    __tablename__ = "origin_breakers"

    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    is_open: Mapped[bool] = mapped_column(default=False)
    failures: Mapped[int] = mapped_column(default=0)
    opened_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    updated_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class OriginIncident(Base):
    """One row per opening, and per report while open: the origin trips again on each."""

    __tablename__ = "origin_incidents"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    reason: Mapped[str]


class OriginBreaker:
    """SELECT … FOR UPDATE through the ORM, for every check and every report."""

    def __init__(self, session: Session, name: str, threshold: int = 3) -> None:
        self._session, self._name, self._threshold = session, name, threshold

    def is_disabled(self) -> bool:
        """Check, and recover what has expired, under the row lock."""
        state = self._locked()
        if state.is_open and state.until is not None and state.until <= datetime.now(UTC):
            state.is_open, state.failures = False, 0
        self._session.flush()
        return state.is_open

    def report_drift(self, score: float) -> None:
        """Count, trip at the threshold, and again on each report above it."""
        state = self._locked()
        state.updated_at = datetime.now(UTC)
        if score <= 0.2:
            state.failures = 0
        else:
            state.failures += 1
            if state.failures >= self._threshold:
                state.is_open, state.opened_at = True, state.updated_at
                state.until = state.updated_at + timedelta(hours=24)
                self._session.add(OriginIncident(name=self._name, reason=f"drift {score}"))
        self._session.flush()

    def _locked(self) -> OriginState:
        statement = select(OriginState).where(OriginState.name == self._name).with_for_update()
        state = self._session.scalars(statement.execution_options(populate_existing=True)).one_or_none()
        if state is None:
            state = OriginState(name=self._name)
            self._session.add(state)
            self._session.flush()
        return state


def prepare_origin(engine: Engine, *names: str) -> None:
    """Make the stand-in's tables and rows."""
    Base.metadata.create_all(engine)
    with Session(engine) as session, session.begin():
        for name in names:
            session.merge(OriginState(name=name))


def resilient_call(conninfo: str, *, refresh: timedelta | None = None) -> Callable[[], object]:
    """Return one healthy call through resilient-circuit on PostgreSQL; without `refresh`, it reads on each call."""
    import psycopg
    from resilient_circuit import CircuitProtectorPolicy
    from resilient_circuit.storage import schema
    from resilient_circuit.storage.postgres import PostgresStorage

    with psycopg.connect(conninfo) as connection:
        schema.apply_schema(connection.cursor())
    policy = CircuitProtectorPolicy(
        resource_key="bench",
        storage=PostgresStorage(conninfo),
        failure_limit=Fraction(3, 3),
        admission_refresh_interval=refresh,
    )
    guarded = policy(lambda: None)
    return lambda: guarded()
