"""The service: prices a request by V2 while its model's breaker is closed, and by V1 while it is open."""

import time
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, FastAPI
from fastapi import Request as Asked
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from driftbreaker import CircuitBreaker, Handle, Switchboard
from driftbreaker.cli.demo.application import record_estimate
from driftbreaker.cli.demo.estimators import relative_delta
from driftbreaker.cli.demo.request import Request
from driftbreaker.cli.demo.service.replies import Reply, Tripped
from driftbreaker.cli.demo.story import CANDIDATE, CONTROL, SETTINGS
from driftbreaker.cli.demo.stream import MIX
from driftbreaker.contrib.fastapi import breaker, lifespan

# No postponed annotations here: FastAPI reads those of `quote`, which name what `make_app` was given.
MODELS = frozenset(share.model for share in MIX)


def scope_of(asked: Asked) -> str:
    """Return the model, whose breaker it is; what clients make up has none."""
    model = asked.query_params.get("model", "")
    return model if model in MODELS else ""


def make_app(engine: Engine, name: str) -> FastAPI:
    """Return the application of one worker."""
    app = FastAPI(lifespan=lifespan(Switchboard(engine)))

    @app.get("/quote")
    def quote(
        number: int,
        at: datetime,
        provider: str,
        model: str,
        input_tokens: int,
        output_tokens: int,
        own: Annotated[Handle, Depends(breaker(name, scope=scope_of))],
    ) -> dict[str, Any]:
        return asdict(_answer(engine, own, number, Request(at, provider, model, input_tokens, output_tokens)))

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
