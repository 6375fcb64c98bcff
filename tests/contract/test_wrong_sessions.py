"""What is no session, or the other door's session, is refused in words that name the right one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_scoped_session, create_async_engine
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from driftbreaker import AsyncCircuitBreaker, CircuitBreaker, UnsupportedDatabaseError, WrongSessionError, costsim
from tests.support.worlds import World


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = create_engine("sqlite://")
    yield engine
    engine.dispose()


@pytest.fixture
def async_engine() -> AsyncEngine:
    return create_async_engine("sqlite+aiosqlite://")


def test_what_is_no_session_is_refused_by_its_kind(engine: Engine, async_engine: AsyncEngine) -> None:
    with engine.connect() as connection:
        for thing, kind in (
            (engine, "Engine"),
            (connection, "Connection"),
            (None, "NoneType"),
            ("sqlite://", "str"),
            (async_engine, "AsyncEngine"),
            (async_engine.connect(), "AsyncConnection"),
            (Session, "type"),
            (sessionmaker(engine), "sessionmaker"),
        ):
            for make in (CircuitBreaker, lambda session, _: costsim.CircuitBreaker(session)):
                with pytest.raises(WrongSessionError) as caught:
                    make(thing, "pricing")  # type: ignore[arg-type]
                assert str(caught.value) == f"session must be a sqlalchemy.orm.Session, got {kind}"
            with pytest.raises(WrongSessionError) as caught:
                AsyncCircuitBreaker(thing, "pricing")  # type: ignore[arg-type]
            assert str(caught.value) == f"session must be a sqlalchemy AsyncSession, got {kind}"


class HalfAsync:
    """Has one of the two signs of an AsyncSession."""

    sync_session = None


def test_half_an_async_session_is_none(engine: Engine) -> None:
    with pytest.raises(WrongSessionError):
        costsim.CircuitBreaker(HalfAsync())  # type: ignore[arg-type]


def test_a_wrong_session_can_be_caught_as_type_error() -> None:
    with pytest.raises(TypeError, match=r"session must be a sqlalchemy\.orm\.Session, got NoneType"):
        CircuitBreaker(None, "pricing")  # type: ignore[arg-type]


def test_the_sync_door_names_the_async_one(async_engine: AsyncEngine) -> None:
    with pytest.raises(WrongSessionError) as caught:
        CircuitBreaker(AsyncSession(async_engine), "pricing")  # type: ignore[arg-type]
    assert str(caught.value) == (
        "an AsyncSession needs AsyncCircuitBreaker (from driftbreaker import AsyncCircuitBreaker)"
    )


def test_the_async_door_refuses_a_sync_session(engine: Engine) -> None:
    with Session(engine) as session, pytest.raises(WrongSessionError) as caught:
        AsyncCircuitBreaker(session, "pricing")  # type: ignore[arg-type]
    assert str(caught.value) == "session must be a sqlalchemy AsyncSession, got Session"


@pytest.mark.parametrize("reader", ["is_open", "is_closed", "get_state", "get_incidents"])
def test_the_origins_plain_readers_name_the_async_breaker_for_an_async_session(
    async_engine: AsyncEngine, reader: str
) -> None:
    breaker = costsim.CircuitBreaker(AsyncSession(async_engine))  # type: ignore[arg-type]
    with pytest.raises(TypeError) as caught:
        getattr(breaker, reader)()
    assert type(caught.value) is WrongSessionError
    assert str(caught.value) == (
        f"{reader} is not awaited and cannot use an AsyncSession: use driftbreaker.AsyncCircuitBreaker, "
        "whose readers are"
    )


def test_the_modules_functions_refuse_what_is_no_session(world: World) -> None:
    for function, args in ((costsim.is_v2_disabled, ()), (costsim.enable_v2, ("a",)), (costsim.disable_v2, ("r", "a"))):
        with pytest.raises(WrongSessionError, match=r"session must be a sqlalchemy\.orm\.Session, got NoneType"):
            world.call(function, None, *args)


def test_scoped_sessions_are_sessions(world: World) -> None:
    if world.is_async:
        registry: Any = async_scoped_session(lambda: AsyncSession(world.engine), scopefunc=lambda: 1)
    else:
        registry = scoped_session(lambda: Session(world.engine))
    kind = AsyncCircuitBreaker if world.is_async else CircuitBreaker
    breaker = kind(registry, "pricing")
    assert world.call(breaker.report_drift, 0.5) is None
    world.call(registry.commit)
    world.call(registry.remove)
    assert world.row()["failures"] == 1


def test_the_origins_module_takes_scoped_sessions_too(world: World) -> None:
    if world.is_async:
        registry: Any = async_scoped_session(lambda: AsyncSession(world.engine), scopefunc=lambda: 1)
    else:
        registry = scoped_session(lambda: Session(world.engine))
    assert world.call(costsim.is_v2_disabled, registry) is False
    assert world.call(costsim.disable_v2, registry, "why", "alice")[0]
    world.call(registry.commit)
    world.call(registry.remove)
    assert world.row("costsim_v2")["status"] == "open"


def test_a_database_without_our_sql_is_refused_and_the_supported_ones_named(engine: Engine) -> None:
    engine.dialect.name = "mysql"
    with Session(engine) as session:
        for call in (
            lambda b: b.is_disabled(),
            lambda b: b.get_state(),
            lambda b: b.report_drift(0.5),
            lambda b: b.disable("why", actor="alice"),
        ):
            with pytest.raises(UnsupportedDatabaseError) as caught:
                call(CircuitBreaker(session, "pricing"))
            assert str(caught.value) == "driftbreaker has no SQL for 'mysql': SQLite and PostgreSQL are supported"
