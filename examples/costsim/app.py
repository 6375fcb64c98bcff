"""A service that quotes prices. Two ways to bring in a new price table, each behind breakers of one model each.

- ``/quote``: V2 serves, and its drift is reported in the request's transaction: the quote and the trip are one commit.
- ``/shadow-quote``: V1 serves, and V2 runs beside it; what that finds is written off the request's path.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Annotated

from fastapi import Depends, FastAPI, Query, Request
from sqlalchemy.orm import Session

from driftbreaker import AlertSettings, BreakerSettings, CircuitBreaker, Handle, Reporter, Shadow, Switchboard
from driftbreaker.contrib.fastapi import breaker, lifespan
from driftbreaker.scores import relative_delta

from .prices import Model, april, february
from .tables import Quote, engine

SERVED, SHADOWED = "april-prices", "april-prices-in-shadow"

# Where a page leads whoever is woken: docs/run-book.md, put where they can read it.
RUN_BOOK = "https://wiki.example.com/run-book"

settings = BreakerSettings(
    drift_threshold=0.2, failure_threshold=3, ttl=timedelta(hours=24), alert=AlertSettings(runbook_url=RUN_BOOK)
)
# Below a millionth of a dollar nothing is drift: a free model that costs a hair is no reason to page anybody.
score = relative_delta(floor=Decimal("0.000001"))

board = Switchboard(engine)
reporter = Reporter(engine)
shadow = Shadow(board, reporter, SHADOWED, score=score, settings=settings, scope=lambda model, *_: model.value)


@asynccontextmanager
async def reporting(_: FastAPI) -> AsyncIterator[None]:
    """Start and end what belongs to a worker, and not to the import of this module."""
    with reporter, shadow:
        yield


app = FastAPI(title="costsim", lifespan=lifespan(board, inner=reporting))
Tokens = Annotated[int, Query(ge=0, le=1_000_000)]


def scope_of(request: Request) -> str:
    """Return the model, which has a breaker of its own; what clients make up has none."""
    asked = request.query_params.get("model", "")
    return asked if asked in list(Model) else ""


def answer(usd: Decimal, served_by: str) -> dict[str, str]:
    """Return what clients get: dollars as text, for a float would not hold all their digits."""
    return {"usd": f"{usd.normalize():f}", "served_by": served_by}


@app.get("/quote")
def quote(
    model: Model,
    input_tokens: Tokens,
    output_tokens: Tokens,
    candidate: Annotated[Handle, Depends(breaker(SERVED, scope=scope_of))],
) -> dict[str, str]:
    """Quote by V2, or by V1 while V2 is off for this model."""
    generation, is_open = candidate.generation, candidate.is_open  # in this order: a late report changes nothing
    v1 = february(model, input_tokens, output_tokens)
    v2 = None if is_open else april(model, input_tokens, output_tokens)
    usd, served_by = (v1, "V1") if v2 is None else (v2, "V2")
    with Session(engine) as session, session.begin():
        session.add(Quote(model=model.value, usd=usd, served_by=served_by))
        session.flush()  # write first, and SQLite needs no second try
        if v2 is not None:
            own = CircuitBreaker(session, SERVED, scope=model.value, settings=settings)
            own.report_drift(score(v1, v2), generation=generation)
    return answer(usd, served_by)


@shadow.against(april)
def shadowed(model: Model, input_tokens: int, output_tokens: int) -> Decimal:
    """Price by V1; V2 runs beside it."""
    return february(model, input_tokens, output_tokens)


@app.get("/shadow-quote")
def shadow_quote(model: Model, input_tokens: Tokens, output_tokens: Tokens) -> dict[str, str]:
    """Quote by V1, whatever V2 would have said."""
    return answer(shadowed(model, input_tokens, output_tokens), "V1")


@app.get("/breakers")
def breakers() -> dict[str, dict[str, str]]:
    """Say what the database knows of every breaker."""
    with Session(engine) as session:
        return {
            name: {
                model.value: CircuitBreaker(session, name, scope=model.value).get_state().status.value
                for model in Model
            }
            for name in (SERVED, SHADOWED)
        }
