"""Plays the service on a real database. Nothing here prints."""

from __future__ import annotations

import time
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from driftbreaker import CircuitBreaker
from driftbreaker.cli.demo import stream
from driftbreaker.cli.demo.estimators import price_changes
from driftbreaker.cli.demo.service.facts import ModelTraffic, ServiceFacts, ServiceTrip, ShadowFacts, Stop
from driftbreaker.cli.demo.service.names import in_shadow
from driftbreaker.cli.demo.service.traffic import Served, Traffic
from driftbreaker.cli.demo.service.workers import started
from driftbreaker.cli.demo.story import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Engine

    from driftbreaker.cli.demo.database import Database
    from driftbreaker.cli.demo.service.replies import Reply
    from driftbreaker.cli.demo.service.workers import Worker

#: Drivers through which a switchboard is told of commits; with others it polls.
LISTENING = ("psycopg", "asyncpg")


@dataclass(frozen=True, slots=True)
class Plan:
    """What to play: how much traffic, of which seed, on how many workers, and what to call the breakers."""

    requests: int
    seed: int
    workers: int
    name: str


def play(database: Database, plan: Plan, on_request: Callable[[], None]) -> ServiceFacts:
    """Serve the traffic, and return what was seen. `on_request` is called after each request."""
    engine = database.engine
    with started(plan.workers, engine.url, plan.name) as workers:
        traffic = Traffic(stream.requests(plan.requests, plan.seed), workers, on_request)
        began = time.monotonic()
        traffic.send()
        seconds = time.monotonic() - began
    served = sorted(traffic.served, key=lambda each: each.turn.number)
    return ServiceFacts(
        database=database.shown,
        temporary=database.temporary,
        breaker=plan.name,
        listens=engine.driver in LISTENING,
        seed=plan.seed,
        control_day=stream.FIRST_DAY,
        prices_version=version("genai-prices"),
        settings=SETTINGS,
        workers=tuple(workers),
        requests=plan.requests,
        asked_again=sum(each.turn.again for each in served),
        seconds=seconds,
        models=tuple(_model(engine, plan.name, share, served) for share in stream.MIX),
        trips=tuple(_trip(each, served, workers) for each in served if each.reply.tripped is not None),
        # The workers have ended, and written all that they had to report.
        shadow=_shadow(engine, in_shadow(plan.name), traffic.shadowed),
    )


def _shadow(engine: Engine, name: str, replies: list[Reply]) -> ShadowFacts:
    by_candidate = sum(reply.served_by == "candidate" for reply in replies)
    opened = tuple(share.model for share in stream.MIX if _is_open(engine, name, share.model))
    return ShadowFacts(name, len(replies), by_candidate, opened)


def _is_open(engine: Engine, name: str, model: str) -> bool:
    with Session(engine) as session:
        return CircuitBreaker(session, name, scope=model).is_open()


def _model(engine: Engine, name: str, share: stream.Share, served: list[Served]) -> ModelTraffic:
    replies = [each.reply for each in served if each.turn.request.model == share.model and not each.turn.again]
    by_candidate = sum(reply.served_by == "candidate" for reply in replies)
    is_open = _is_open(engine, name, share.model)
    return ModelTraffic(share.model, share.weight, len(replies), by_candidate, is_open)


def _trip(tripping: Served, served: list[Served], workers: list[Worker]) -> ServiceTrip:
    tripped, request = tripping.reply.tripped, tripping.turn.request
    assert tripped is not None  # noqa: S101  whoever is asked about a trip has one
    own = [each for each in served if each.turn.request.model == request.model]
    return ServiceTrip(
        number=tripping.turn.place,
        of_model=sum(each.turn.place <= tripping.turn.place and not each.turn.again for each in own),
        request=request,
        change=price_changes([(request.provider, request.model)], stream.FIRST_DAY, request.at.date())[-1],
        worker=tripping.worker,
        incident=tripped.incident,
        stops=tuple(_stop(worker, tripped.committed, own) for worker in workers),
    )


def _stop(worker: Worker, committed: float, own: list[Served]) -> Stop:
    replies = [each.reply for each in own if each.worker is worker]
    first = min(reply.decided for reply in replies if reply.served_by == "control")
    by_candidate = [reply.decided for reply in replies if reply.served_by == "candidate"]
    meanwhile = sum(decided > committed for decided in by_candidate)
    # The commit is timed when it has returned: news of it may be a hair quicker.
    return Stop(worker, len(by_candidate) - meanwhile, meanwhile, max(first - committed, 0.0))
