"""The facts of the demo as one JSON document."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from driftbreaker.cli.demo.tape import Mark

if TYPE_CHECKING:
    from driftbreaker.cli.demo.estimators import Price, PriceChange
    from driftbreaker.cli.demo.facts import Facts, Look, Paging, Trip
    from driftbreaker.cli.demo.tape import Fortnight


def render(facts: Facts) -> str:
    """Return the document, indented."""
    return json.dumps(document(facts), indent=2, ensure_ascii=False)


def document(facts: Facts) -> dict[str, Any]:
    """Return the facts as plain data. Money is text with all its digits, times are ISO 8601 in UTC."""
    return {
        "driftbreaker": version("driftbreaker"),
        "database": {"url": facts.database, "temporary": facts.temporary},
        "seed": facts.seed,
        "prices": {
            "genai_prices": facts.prices_version,
            "changes": [_change(each) for each in facts.changes],
        },
        "rule": {
            "failure_threshold": facts.settings.failure_threshold,
            "drift_threshold": facts.settings.drift_threshold,
        },
        "traffic": _traffic(facts),
        "trip": None if facts.trip is None else _trip(facts.trip),
        "rollback": {
            "breaker": facts.rollback.breaker,
            "incident_inside": facts.rollback.incident.id,
            "rows_afterwards": facts.rollback.after.rows,
        },
        "manual": {
            "breaker": facts.manual.breaker,
            "actor": facts.manual.actor,
            "incident": facts.manual.incident.to_dict(),
            "open_between": facts.manual.open_between,
            "enable_reason": facts.manual.enable_reason,
            "open_afterwards": facts.manual.open_afterwards,
        },
        "recovery": {
            "breaker": facts.recovery.breaker,
            "ttl_seconds": facts.recovery.ttl_seconds,
            "seen_open": facts.recovery.seen_open,
            "waited_seconds": round(facts.recovery.waited_seconds, 3),
            "incident": facts.recovery.incident.to_dict(),
        },
        "left_behind": None if facts.temporary else {"breakers": list(facts.breakers)},
        **({} if facts.paging is None else {"paging": _paging(facts.paging)}),
    }


def _paging(paging: Paging) -> dict[str, Any]:
    return {"alertmanager": paging.url, "pages": [asdict(page) for page in paging.pages.values()]}


def _traffic(facts: Facts) -> dict[str, Any]:
    result = facts.result
    return {
        "breaker": result.breaker,
        "requests": len(result.steps),
        "served_by_candidate": result.by_candidate,
        "served_by_control": result.by_control,
        "cost_usd": str(sum(step.cost for step in result.steps)),
        "fortnights": [_fortnight(each) for each in facts.fortnights],
    }


def _fortnight(row: Fortnight) -> dict[str, Any]:
    return {
        "first_day": row.first_day.isoformat(),
        "requests": len(row.marks),
        "above_threshold": row.count(Mark.ABOVE) + row.count(Mark.TRIP),
        "served_by_control": row.count(Mark.CONTROL),
    }


def _trip(trip: Trip) -> dict[str, Any]:
    return {
        "observation": trip.observation,
        "at": trip.request.at.isoformat(),
        "model": trip.request.model,
        "scores": list(trip.scores),
        "incident": trip.incident.to_dict(),
        "before_commit": _look(trip.before_commit),
        "after_commit": _look(trip.after_commit),
    }


def _look(look: Look) -> dict[str, Any]:
    return {"status": look.status, "consecutive_failures": look.streak, "rows": look.rows}


def _change(change: PriceChange) -> dict[str, Any]:
    return {
        "day": change.day.isoformat(),
        "model": change.model,
        "before_usd_per_mtok": _price(change.before),
        "after_usd_per_mtok": _price(change.after),
    }


def _price(price: Price) -> dict[str, str]:
    return {"input": f"{price.input_usd.normalize():f}", "output": f"{price.output_usd.normalize():f}"}
