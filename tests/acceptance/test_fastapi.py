"""Routes of a FastAPI application hold breakers; the application starts and closes their switchboard."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import anyio
import pytest
from fastapi import Depends, FastAPI, Request, WebSocket
from fastapi.testclient import TestClient
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from driftbreaker import (
    AsyncCircuitBreaker,
    AsyncSwitchboard,
    Basis,
    CircuitBreaker,
    Handle,
    InvalidArgumentError,
    Outage,
    Switchboard,
)
from driftbreaker.contrib.fastapi import NoBoardError, breaker, lifespan
from driftbreaker.testing import AsyncMemorySwitchboard, MemorySwitchboard, override

# A poll that never comes within a test: what is seen was told by the commit.
RARELY: Any = {"poll": 300.0, "stale_after": 600.0}

pricing = breaker("pricing-v2")
Pricing = Annotated[Handle, Depends(pricing)]


def with_price(app: FastAPI) -> FastAPI:
    @app.get("/price")
    async def price(pricing: Pricing) -> str:
        return "V1" if pricing.is_open else "V2"

    return app


def sync_app(url: str) -> FastAPI:
    engine = create_engine(url)

    @asynccontextmanager
    async def own(_: FastAPI) -> AsyncIterator[None]:
        yield
        engine.dispose()

    app = with_price(FastAPI(lifespan=lifespan(Switchboard(engine, **RARELY), inner=own)))

    @app.post("/report")
    def report() -> None:
        with Session(engine) as session, session.begin():
            CircuitBreaker(session, "pricing-v2").report_drift(0.5)

    return app


def async_app(url: str) -> FastAPI:
    engine = create_async_engine(url.replace("sqlite://", "sqlite+aiosqlite://"))

    @asynccontextmanager
    async def own(_: FastAPI) -> AsyncIterator[None]:
        yield
        await engine.dispose()

    app = with_price(FastAPI(lifespan=lifespan(AsyncSwitchboard(engine, **RARELY), inner=own)))

    @app.post("/report")
    async def report() -> None:
        async with AsyncSession(engine) as session, session.begin():
            await AsyncCircuitBreaker(session, "pricing-v2").report_drift(0.5)

    return app


@pytest.fixture(params=[sync_app, async_app])
def app(request: pytest.FixtureRequest, sqlite_url: str) -> FastAPI:
    made: FastAPI = request.param(sqlite_url)
    return made


def becomes(client: TestClient, served: str) -> bool:
    deadline = time.monotonic() + 10
    while client.get("/price").json() != served:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def test_a_trip_that_one_request_commits_is_seen_by_those_after_it(app: FastAPI) -> None:
    with TestClient(app) as client:
        assert client.get("/price").json() == "V2"
        for _ in range(2):
            client.post("/report")
        assert client.get("/price").json() == "V2"
        client.post("/report")
        assert becomes(client, "V1")


def test_shutdown_leaves_no_thread_and_no_handle_that_is_believed(app: FastAPI) -> None:
    before = set(threading.enumerate())
    with TestClient(app) as client:
        assert client.get("/price").json() == "V2"
        assert any(thread.name.startswith("driftbreaker") for thread in threading.enumerate())
    deadline = time.monotonic() + 10
    while left := set(threading.enumerate()) - before:
        assert time.monotonic() < deadline, left
        time.sleep(0.01)
    assert app.state.driftbreaker["pricing-v2"].basis is Basis.OUTAGE


class Recording(MemorySwitchboard):
    """Notes what is done to it, and whether that held up the event loop's thread."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[str] = []
        self.loops_thread = threading.current_thread()

    def start(self, wait: float = 1.0) -> None:
        self._note("start")

    def close(self, timeout: float = 10.0) -> None:
        self._note("close")

    def _note(self, what: str) -> None:
        self.done.append(f"{what} in the loop" if threading.current_thread() is self.loops_thread else what)


class AsyncRecording(AsyncMemorySwitchboard):
    """Notes what was awaited to its end."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[str] = []

    async def start(self, wait: float = 1.0) -> None:
        await asyncio.sleep(0)
        self.done.append("start")

    async def close(self, timeout: float = 10.0) -> None:  # noqa: ASYNC109
        await asyncio.sleep(0)
        self.done.append("close")


def live(started: Any, app: Any, *, failing: bool = False) -> Any:
    """Begin and end a lifespan; return what it yielded."""

    async def run() -> Any:
        async with started(app) as state:
            if failing:
                raise ZeroDivisionError
            return state

    return asyncio.run(run())


def test_the_apps_own_lifespan_begins_after_the_start_and_ends_before_the_close() -> None:
    board = Recording()

    @asynccontextmanager
    async def own(app: FastAPI) -> AsyncIterator[dict[str, str]]:
        assert app.state.driftbreaker is board
        board.done.append("own begins")
        yield {"answer": "42"}
        board.done.append("own ends")

    app = FastAPI(lifespan=lifespan(board, inner=own))

    @app.get("/")
    def answer(request: Request) -> str:
        return str(request.state.answer)

    with TestClient(app) as client:
        assert client.get("/").json() == "42"
    assert board.done == ["start", "own begins", "own ends", "close"]


def test_neither_start_nor_close_holds_up_the_event_loop() -> None:
    board = Recording()
    assert live(lifespan(board), FastAPI()) is None
    assert board.done == ["start", "close"]


def test_an_async_board_is_awaited() -> None:
    board = AsyncRecording()
    live(lifespan(board), FastAPI())
    assert board.done == ["start", "close"]


@asynccontextmanager
async def fails_at_its_beginning(_: Any) -> AsyncIterator[None]:
    raise ZeroDivisionError
    yield


@asynccontextmanager
async def fails_at_its_end(_: Any) -> AsyncIterator[None]:
    yield
    raise ZeroDivisionError


@pytest.mark.parametrize(
    ("inner", "failing"), [(fails_at_its_beginning, False), (fails_at_its_end, False), (None, True)]
)
def test_whatever_fails_the_board_is_closed_and_the_error_is_told(inner: Any, failing: bool) -> None:
    board = Recording()
    with pytest.raises(ZeroDivisionError):
        live(lifespan(board, inner=inner), FastAPI(), failing=failing)
    assert board.done == ["start", "close"]


@pytest.mark.parametrize("kind", [Recording, AsyncRecording])
def test_a_lifespan_that_is_cancelled_closes_the_board_and_waits_for_that(kind: Any) -> None:
    board = kind()

    async def run() -> None:
        with anyio.CancelScope() as scope:
            async with lifespan(board)(FastAPI()):
                scope.cancel()
                await anyio.sleep_forever()

    asyncio.run(run())
    assert board.done == ["start", "close"]


def test_a_board_that_cannot_start_stops_the_application() -> None:
    app = FastAPI(lifespan=lifespan(Switchboard(create_engine("sqlite://"))))
    with pytest.raises(InvalidArgumentError, match="in-memory"), TestClient(app):
        pass


def test_a_bare_generator_is_a_lifespan_as_it_is_to_fastapi() -> None:
    async def own(_: Any) -> AsyncIterator[str]:
        yield "state"

    assert live(lifespan(MemorySwitchboard(), inner=own), FastAPI()) == "state"  # type: ignore[arg-type]


@pytest.fixture
def board() -> MemorySwitchboard:
    return MemorySwitchboard()


@pytest.fixture
def client(board: MemorySwitchboard) -> Iterator[TestClient]:
    with TestClient(with_price(FastAPI(lifespan=lifespan(board)))) as client:
        yield client


def test_a_handle_is_found_once_and_answers_every_request(
    client: TestClient, board: MemorySwitchboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert client.get("/price").json() == "V2"
    monkeypatch.setattr(board, "handle", None)
    board.set("pricing-v2", is_open=True)
    assert client.get("/price").json() == "V1"


def test_two_applications_with_the_same_dependency_ask_each_its_own_board(
    client: TestClient, board: MemorySwitchboard
) -> None:
    board.set("pricing-v2", is_open=True)
    with TestClient(with_price(FastAPI(lifespan=lifespan(MemorySwitchboard())))) as other:
        assert [client.get("/price").json(), other.get("/price").json()] == ["V1", "V2"]


def tenant(request: Request) -> str:
    return request.headers.get("tenant", "")


def test_a_scope_may_come_from_the_request(client: TestClient, board: MemorySwitchboard) -> None:
    @client.app.get("/scoped")  # type: ignore[attr-defined]
    def scoped(model: Annotated[Handle, Depends(breaker("pricing-v2", tenant))]) -> tuple[str, bool]:
        return model.scope, model.is_open

    board.set("pricing-v2", is_open=True, scope="acme")
    for _ in range(2):
        assert client.get("/scoped", headers={"tenant": "acme"}).json() == ["acme", True]
        assert client.get("/scoped", headers={"tenant": "emca"}).json() == ["emca", False]
        assert client.get("/scoped").json() == ["", False]
    assert client.get("/openapi.json").json()["paths"]["/scoped"]["get"].keys() == {
        "summary",
        "operationId",
        "responses",
    }


def test_a_fixed_scope_and_an_outage_policy_are_the_handles() -> None:
    board, app = MemorySwitchboard(), Starlette()
    app.state.driftbreaker = board
    request = Request({"type": "http", "app": app})
    find = breaker("pricing-v2", "gpt-4", outage=Outage.CLOSED)
    handle = asyncio.run(find(request))
    assert handle is board.handle("pricing-v2", "gpt-4", outage=Outage.CLOSED)
    assert (handle.scope, handle.outage) == ("gpt-4", Outage.CLOSED)


@pytest.mark.parametrize("scope", [None, "x" * 201, []])
def test_a_scope_from_the_request_that_cannot_be_is_refused(client: TestClient, scope: Any) -> None:
    @client.app.get("/scoped", dependencies=[Depends(breaker("pricing-v2", lambda _: scope))])  # type: ignore[attr-defined]
    def scoped() -> None: ...

    with pytest.raises(InvalidArgumentError, match="scope must"):
        client.get("/scoped")


def test_a_websocket_holds_breakers_too(client: TestClient, board: MemorySwitchboard) -> None:
    @client.app.websocket("/prices")  # type: ignore[attr-defined]
    async def prices(websocket: WebSocket, pricing: Pricing) -> None:
        await websocket.accept()
        await websocket.send_json(pricing.is_open)

    board.set("pricing-v2", is_open=True)
    with client.websocket_connect("/prices") as socket:
        assert socket.receive_json() is True


def test_plain_starlette_calls_the_dependency(board: MemorySwitchboard) -> None:
    async def price(request: Request) -> PlainTextResponse:
        return PlainTextResponse(str(await pricing(request)))

    with TestClient(Starlette(routes=[Route("/", price)], lifespan=lifespan(board))) as client:
        assert client.get("/").text == "<Handle 'pricing-v2': closed by database, 0.000 s old>"


def test_openapi_shows_nothing_of_it(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    assert document["paths"]["/price"]["get"].keys() == {"summary", "operationId", "responses"}
    assert "components" not in document


def test_an_application_without_a_board_says_how_to_give_it_one() -> None:
    app = with_price(FastAPI(lifespan=lifespan(MemorySwitchboard())))
    for state in ({}, {"driftbreaker": "somebody else's"}):
        app.state._state.update(state)
        with pytest.raises(NoBoardError, match=r"lifespan\(board\).*`with TestClient\(app\) as client`.*mounted"):
            TestClient(app).get("/price")


def test_tests_override_a_breaker_or_swap_the_board_or_the_dependency(client: TestClient) -> None:
    app: Any = client.app
    with override("pricing-v2"):
        assert client.get("/price").json() == "V1"
    assert client.get("/price").json() == "V2"
    swapped = MemorySwitchboard()
    swapped.set("pricing-v2", is_open=True)
    app.dependency_overrides[pricing] = lambda: swapped["pricing-v2"]
    assert client.get("/price").json() == "V1"
    app.dependency_overrides.clear()
    assert client.get("/price").json() == "V2"
    app.state.driftbreaker = swapped
    assert client.get("/price").json() == "V1"


@pytest.mark.parametrize(
    "bad",
    [
        lambda: breaker(""),
        lambda: breaker("pricing", None),  # type: ignore[arg-type]
        lambda: breaker("", lambda _: ""),
        lambda: breaker("pricing", outage="open"),  # type: ignore[arg-type]
        lambda: lifespan(None),  # type: ignore[arg-type]
        lambda: lifespan(create_engine("sqlite://")),  # type: ignore[arg-type]
        lambda: lifespan(MemorySwitchboard(), inner=1),  # type: ignore[arg-type]
    ],
)
def test_bad_input_is_refused_before_the_application_starts(bad: Any) -> None:
    with pytest.raises(InvalidArgumentError):
        bad()
