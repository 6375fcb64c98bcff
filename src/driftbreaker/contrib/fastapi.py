"""Breakers as dependencies of FastAPI's routes, and of plain Starlette's. Needs ``driftbreaker[fastapi]``."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from ..checks import check_callable, check_key, check_kind
from ..errors import DriftbreakerError, InvalidArgumentError
from ..snapshot import Board, Handle, Outage

try:
    import anyio
    from starlette.concurrency import run_in_threadpool
    from starlette.requests import HTTPConnection
except ModuleNotFoundError as missing:
    raise ImportError("driftbreaker.contrib.fastapi needs fastapi: pip install 'driftbreaker[fastapi]'") from missing

__all__ = ["NoBoardError", "breaker", "lifespan"]


class NoBoardError(DriftbreakerError, RuntimeError):
    """A route asks for a breaker, and its app has no switchboard; the message says how to give it one."""


class AnyBoard(Protocol):
    """A `Switchboard`, an `AsyncSwitchboard`, or what stands in for one in tests."""

    def start(self) -> Any:
        """Start it, or return what must be awaited for that."""

    def close(self) -> Any:
        """Close it, or return what must be awaited for that."""


def lifespan(
    board: AnyBoard, inner: Callable[[Any], AbstractAsyncContextManager[Any]] | None = None
) -> Callable[[Any], AbstractAsyncContextManager[Any]]:
    """Return a lifespan for ``FastAPI(lifespan=lifespan(board))``, which starts the board and in any case closes it.

    - `board`: a `Switchboard` or an `AsyncSwitchboard`, neither of which blocks the event loop. Routes find it as
      ``request.app.state.driftbreaker``.
    - `inner`: the app's own lifespan. It begins when the board has started, and ends before the board is closed.

    Raises InvalidArgumentError for what is no switchboard.
    """
    if not isinstance(board, Board):
        raise InvalidArgumentError(f"board must be a Switchboard or an AsyncSwitchboard, got {type(board).__name__}")
    if inner is not None:
        check_callable(inner, "inner")
    # FastAPI takes a bare generator too.
    within = asynccontextmanager(inner) if inspect.isasyncgenfunction(inner) else inner

    @asynccontextmanager
    async def started(app: Any) -> AsyncIterator[Any]:
        try:
            await _call(board.start)
            app.state.driftbreaker = board
            if within is None:
                yield
            else:
                async with within(app) as state:
                    yield state
        finally:
            # A host that cancels its lifespan must not be left with our threads.
            with anyio.CancelScope(shield=True):
                await _call(board.close)

    return started


def breaker(
    name: str, scope: str | Callable[[Any], str] = "", *, outage: Outage | None = None
) -> Callable[[HTTPConnection], Awaitable[Handle]]:
    """Return a dependency that is a breaker's handle: ``pricing: Annotated[Handle, Depends(breaker("pricing"))]``.

    - `scope`: text, or a plain function that takes the request, or the websocket, and returns text: a tenant, a model.
      Handles are kept: it must not return whatever a client sends.
    - `outage`: what the handle answers while nobody knows; the board's policy unless it is given.

    A handle is found once per board; from then on a request costs a dictionary look-up and never a query. Raises
    InvalidArgumentError for what cannot be; a request raises NoBoardError where `lifespan` did not run.
    """
    check_key(name, "" if callable(scope) else scope)
    check_kind(outage, Outage, "outage")
    found: WeakKeyDictionary[Board, dict[str, Handle]] = WeakKeyDictionary()

    # A coroutine, for FastAPI would call anything else in a thread.
    async def find(connection: HTTPConnection) -> Handle:
        board = _board_of(connection.app)
        handles = found.setdefault(board, {})
        of_scope = scope(connection) if callable(scope) else scope
        try:
            return handles[of_scope]
        except (KeyError, TypeError):  # TypeError: nothing that could be a scope
            handle = handles[of_scope] = board.handle(name, of_scope, outage=outage)
            return handle

    return find


def _board_of(app: Any) -> Board:
    board = getattr(app.state, "driftbreaker", None)
    if isinstance(board, Board):
        return board
    raise NoBoardError(
        "this app has no switchboard: make it with FastAPI(lifespan=driftbreaker.contrib.fastapi.lifespan(board)); "
        "a test runs lifespans by `with TestClient(app) as client`; an app mounted in another one, whose lifespan does "
        "not run, needs app.state.driftbreaker = board"
    )


async def _call(function: Callable[[], Any]) -> None:
    """Call what starts or closes a board: in a thread where it would hold up the event loop."""
    if inspect.iscoroutinefunction(function):
        await function()
    else:
        await run_in_threadpool(function)
