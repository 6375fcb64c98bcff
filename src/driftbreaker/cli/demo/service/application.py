"""The service, with a route for each of the two doors; each model has a breaker of its own.

- ``/quote``: V2 serves while its breaker is closed, and its drift is reported in the request's own transaction.
- ``/shadow-quote``: V1 serves, and V2 runs beside it; what that finds is written off the request's path.
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import Depends, FastAPI
from fastapi import Request as Asked
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from driftbreaker import CircuitBreaker, Handle, Reporter, Shadow, Switchboard
from driftbreaker.cli.demo.application import record_estimate
from driftbreaker.cli.demo.estimators import relative_delta
from driftbreaker.cli.demo.request import Request
from driftbreaker.cli.demo.service.names import in_shadow
from driftbreaker.cli.demo.service.replies import Reply, Tripped
from driftbreaker.cli.demo.story import CANDIDATE, CONTROL, SETTINGS
from driftbreaker.cli.demo.stream import MIX
from driftbreaker.contrib.fastapi import breaker, lifespan

# No postponed annotations here: FastAPI reads those of the routes, which name what `make_app` was given.
MODELS = frozenset(share.model for share in MIX)


def scope_of(asked: Asked) -> str:
    """Return the model, whose breaker it is; what clients make up has none."""
    model = asked.query_params.get("model", "")
    return model if model in MODELS else ""


def make_app(engine: Engine, name: str) -> FastAPI:
    """Return the application of one worker."""
    board, reporter = Switchboard(engine), Reporter(engine)
    shadow = Shadow(
        board, reporter, in_shadow(name), score=relative_delta, settings=SETTINGS, scope=lambda request: request.model
    )

    @asynccontextmanager
    async def reporting(_: FastAPI) -> AsyncIterator[None]:
        with reporter, shadow:
            yield

    app = FastAPI(lifespan=lifespan(board, inner=reporting))
    Priced = Annotated[Request, Depends()]  # noqa: N806  a type, though it is made here

    @app.get("/quote")
    def quote(number: int, request: Priced, own: Annotated[Handle, Depends(breaker(name, scope=scope_of))]) -> Any:
        return asdict(_answer(engine, own, number, request))

    @app.get("/shadow-quote")
    def shadow_quote(request: Priced) -> Any:
        pair = shadow.compare(CONTROL, CANDIDATE, request)
        return asdict(Reply(pair.served, time.monotonic()))

    return app


def _answer(engine: Engine, own: Handle, number: int, request: Request) -> Reply:
    # The generation first: a report that is late then counts for no later time than it was admitted in.
    generation, is_open = own.generation, own.is_open
    decided = time.monotonic()
    control = CONTROL(request)
    if is_open:
        with Session(engine) as session, session.begin():
            record_estimate(session, own.name, number, request.model, "control", control)
        return Reply("control", decided)
    candidate = CANDIDATE(request)
    score = relative_delta(control, candidate)
    with Session(engine) as session, session.begin():
        record_estimate(session, own.name, number, request.model, "candidate", candidate)
        joined = CircuitBreaker(session, own.name, scope=own.scope, settings=SETTINGS)
        incident = joined.report_drift(score, details={"model": request.model}, generation=generation)
    # Any clock of this machine that all of its processes share would do.
    tripped = None if incident is None else Tripped(incident.to_dict(), committed=time.monotonic())
    return Reply("candidate", decided, score, tripped)
