"""A candidate that shares the caller's session can break it; one with a session of its own cannot."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, ForeignKey, create_engine, event, insert, select
from sqlalchemy.exc import IntegrityError, PendingRollbackError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from driftbreaker.scores import equality

from .conftest import House


class Base(DeclarativeBase):
    pass


class Customer(Base):
    __tablename__ = "customers"
    id: Mapped[int] = mapped_column(primary_key=True)


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    customer: Mapped[int] = mapped_column(ForeignKey("customers.id"))


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = create_engine(f"sqlite:///{tmp_path / 'orders.db'}", connect_args={"timeout": 0.05})
    event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA foreign_keys = ON"))
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


def count(session: Session) -> int:
    return len(session.scalars(select(Customer)).all())


def breaks_the_session(session: Session) -> int:
    session.add(Order(customer=999))
    session.flush()
    return 0


def test_a_failed_flush_of_the_candidate_leaves_answer_and_observation(house: House, engine: Engine) -> None:
    """The session is the caller's, and broken: nobody can undo that. The report needs none."""
    shadow = house.shadow(score=equality(), beside="inline")
    with Session(engine) as session:
        session.add(Customer(id=1))
        assert shadow(count, breaks_the_session, session) == 1
        with pytest.raises((PendingRollbackError, IntegrityError)):
            session.commit()
    assert house.report.why == "Candidate raised sqlalchemy.exc.IntegrityError"


def test_with_a_session_of_its_own_the_candidate_breaks_that_and_the_caller_commits(
    house: House, engine: Engine, beside: str
) -> None:
    def own_session(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return (Session(engine), *args[1:]), kwargs

    def candidate(session: Session) -> int:
        with session:  # it is nobody else's to close
            return breaks_the_session(session)

    shadow = house.shadow(score=equality(), beside=beside, isolate=own_session)
    with Session(engine) as session:
        session.add(Customer(id=1))
        assert shadow(count, candidate, session) == 1
        assert shadow.drain()
        session.commit()
    with Session(engine) as session:
        assert count(session) == 1
        assert session.scalars(select(Order)).all() == []
    # Where the caller has written already, SQLite lets nobody else write; others find the foreign key missing.
    assert house.report.why in (
        "Candidate raised sqlalchemy.exc.IntegrityError",
        "Candidate raised sqlalchemy.exc.OperationalError",
    )


@pytest.fixture
def async_engine(engine: Engine) -> AsyncEngine:
    return create_async_engine(engine.url.set(drivername="sqlite+aiosqlite"), connect_args={"timeout": 0.05})


async def count_awaited(session: AsyncSession) -> int:
    return len((await session.scalars(select(Customer))).all())


async def breaks_the_awaited_session(session: AsyncSession) -> int:
    await session.execute(insert(Order).values(id=1, customer=999))
    session.add(Order(id=1, customer=999))
    await session.flush()
    return 0


def test_a_failed_flush_of_an_awaited_candidate_leaves_answer_and_observation(
    house: House, async_engine: AsyncEngine
) -> None:
    async def main() -> None:
        shadow = house.shadow(score=equality(), beside="inline")
        async with AsyncSession(async_engine) as session:
            session.add(Customer(id=1))
            assert await shadow(count_awaited, breaks_the_awaited_session, session) == 1
            with pytest.raises((PendingRollbackError, IntegrityError)):
                await session.commit()
        await async_engine.dispose()

    asyncio.run(main())
    assert house.report.why == "Candidate raised sqlalchemy.exc.IntegrityError"


def test_with_a_session_of_its_own_an_awaited_candidate_breaks_that_and_the_caller_commits(
    house: House, async_engine: AsyncEngine, beside: str
) -> None:
    def own_session(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return (AsyncSession(async_engine), *args[1:]), kwargs

    async def candidate(session: AsyncSession) -> int:
        async with session:  # it is nobody else's to close
            return await breaks_the_awaited_session(session)

    async def main() -> None:
        shadow = house.shadow(score=equality(), beside=beside, isolate=own_session)
        async with AsyncSession(async_engine) as session:
            session.add(Customer(id=1))
            assert await shadow(count_awaited, candidate, session) == 1
            assert await shadow.adrain()
            await session.commit()
        async with AsyncSession(async_engine) as session:
            assert await count_awaited(session) == 1
        await async_engine.dispose()

    asyncio.run(main())
    assert house.report.why in (
        "Candidate raised sqlalchemy.exc.IntegrityError",
        "Candidate raised sqlalchemy.exc.OperationalError",
    )
