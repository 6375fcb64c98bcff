"""The service's facts on one screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from driftbreaker.cli.demo.screen import OFF, ON, act, shown
from driftbreaker.cli.text import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from driftbreaker.cli.demo.service.facts import ModelTraffic, ServiceFacts, ServiceTrip, ShadowFacts, Stop

SHADOWED = click.style("○ V2 IN SHADOW · serving V1", fg="cyan", bold=True)
_OPEN = click.style("■ open", fg="red")
_CLOSED = click.style("● closed", fg="green")


def lines(facts: ServiceFacts) -> Iterator[str]:
    """Yield the screen, line by line, in colour."""
    yield from _introduction(facts)
    yield ""
    yield from _traffic(facts)
    yield ""
    for number, trip in enumerate(facts.trips, start=2):
        yield from _trip(number, trip)
        yield ""
    yield from _hearing(facts) if facts.trips else _no_trip(facts)
    yield ""
    yield from _shadow(len(facts.trips) + 2, facts.shadow)
    yield ""
    yield from _next(facts)


def _introduction(facts: ServiceFacts) -> Iterator[str]:
    rule = facts.settings
    title = f"A FastAPI service prices LLM requests, in {_workers(facts)} over one database."
    yield click.style(title, bold=True)
    yield f"   V1 (control) uses the price table of {facts.control_day:%Y-%m-%d}, V2 (candidate) that of the"
    yield f"   request's own day: real dated prices from genai-prices {facts.prices_version}. Seed {facts.seed}."
    yield f"   Each model has a breaker of its own: {rule.failure_threshold} scores in a row above"
    yield f"   {rule.drift_threshold:.2f} turn V2 off for it. A trip is part of the request's own COMMIT."


def _workers(facts: ServiceFacts) -> str:
    count = len(facts.workers)
    return "one process" if count == 1 else f"{count} processes"


def _traffic(facts: ServiceFacts) -> Iterator[str]:
    rate = facts.requests / facts.seconds
    yield f"{act(1)}{ON}   {facts.requests:,} requests over HTTP, {rate:,.0f} a second"
    yield f"   {'model':<24}{'share':>6}{'requests':>11}{'by V2':>8}{'by V1':>8}   breaker"
    for row in facts.models:
        yield _row(row)


def _row(row: ModelTraffic) -> str:
    state = _OPEN if row.is_open else _CLOSED
    share = f"{row.share:.0%}".replace("%", " %")
    return f"   {row.model:<24}{share:>6}{row.requests:>11,}{row.by_candidate:>8,}{row.by_control:>8,}   {state}"


def _trip(number: int, trip: ServiceTrip) -> Iterator[str]:
    request, incident = trip.request, trip.incident
    when = f"{request.at:%Y-%m-%d %H:%M} UTC"
    yield f"{act(number)}{OFF}   {request.model} alone"
    yield f"   {shown(trip.change)} USD per Mtok"
    yield f"   Tripped by request {trip.number:,} ({when}), the {_nth(trip.of_model)} for this model."
    yield f"   {plain(incident['reason'])}"
    yield f"   Incident {incident['id']} ({incident['severity']})"
    yield f"   {'':<10}{'process':>9}{'V2 before':>12}   {'COMMIT':<8}{'V2 meanwhile':>12}{'first V1 after':>18}"
    for stop in trip.stops:
        yield _stop(stop, tripped=stop.worker is trip.worker)


def _stop(stop: Stop, *, tripped: bool) -> str:
    name, here = f"worker {stop.worker.number}", "here" if tripped else ""
    after = f"{stop.after_seconds * 1000:,.0f} ms"
    return f"   {name:<10}{stop.worker.pid:>9}{stop.before:>12,}   {here:<8}{stop.meanwhile:>12,}{after:>18}"


def _nth(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number:,}{ending}"


def _hearing(facts: ServiceFacts) -> Iterator[str]:
    if facts.listens:
        yield "The database tells every worker of such a COMMIT (LISTEN, NOTIFY)."
    else:
        yield "The workers read the database once a second; a PostgreSQL tells them at once."
    yield f"Until each had heard, the demo asked them again and again: {facts.asked_again:,} requests more."


def _shadow(number: int, shadow: ShadowFacts) -> Iterator[str]:
    yield f"{act(number)}{SHADOWED}   the same {shadow.requests:,} requests by another route"
    served = f"{shadow.by_candidate:,} of them" if shadow.by_candidate else "nobody"
    yield f"   V1 served; V2 ran beside it, off the request's path. It served {served}."
    yield f"   Breakers that opened all the same: {'; '.join(shadow.open_models) or 'none'}"


def _no_trip(facts: ServiceFacts) -> Iterator[str]:
    yield f"No trip in {facts.requests:,} requests: try more of them, or another --seed."


def _next(facts: ServiceFacts) -> Iterator[str]:
    if facts.temporary:
        yield f"Ran on {facts.database} (deleted now). Next:"
        yield "   driftbreaker demo --service --db sqlite:///demo.db   keeps the rows"
        yield "   driftbreaker outbox list --db sqlite:///demo.db      the alerts that wait"
        yield "   driftbreaker demo --service --workers 8              more processes"
    else:
        yield f"Ran on {facts.database}."
        yield f"Left there: the rows of {facts.breaker} and {facts.shadow.breaker}. Next:"
        yield "   driftbreaker outbox list --db ...            the alerts that wait, of the same database"
