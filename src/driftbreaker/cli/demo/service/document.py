"""The service's facts as one JSON document."""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from driftbreaker.cli.demo.service.facts import ServiceFacts, ServiceTrip


def render(facts: ServiceFacts) -> str:
    """Return the document, indented."""
    return json.dumps(document(facts), indent=2, ensure_ascii=False)


def document(facts: ServiceFacts) -> dict[str, Any]:
    """Return the facts as plain data. Times are ISO 8601 in UTC."""
    return {
        "driftbreaker": version("driftbreaker"),
        "database": {"url": facts.database, "temporary": facts.temporary, "listens": facts.listens},
        "seed": facts.seed,
        "prices": {"genai_prices": facts.prices_version},
        "rule": {
            "failure_threshold": facts.settings.failure_threshold,
            "drift_threshold": facts.settings.drift_threshold,
        },
        "workers": [{"worker": each.number, "pid": each.pid, "port": each.port} for each in facts.workers],
        "traffic": {
            "breaker": facts.breaker,
            "requests": facts.requests,
            "asked_again": facts.asked_again,
            "seconds": round(facts.seconds, 3),
            "models": [
                {
                    "model": each.model,
                    "share": each.share,
                    "requests": each.requests,
                    "served_by_candidate": each.by_candidate,
                    "served_by_control": each.by_control,
                    "open": each.is_open,
                }
                for each in facts.models
            ],
        },
        "trips": [_trip(each) for each in facts.trips],
        "shadow": {
            "breaker": facts.shadow.breaker,
            "requests": facts.shadow.requests,
            "served_by_candidate": facts.shadow.by_candidate,
            "open": list(facts.shadow.open_models),
        },
        "left_behind": None if facts.temporary else {"breakers": [facts.breaker, facts.shadow.breaker]},
    }


def _trip(trip: ServiceTrip) -> dict[str, Any]:
    return {
        "request": trip.number,
        "request_of_model": trip.of_model,
        "at": trip.request.at.isoformat(),
        "model": trip.request.model,
        "worker": trip.worker.number,
        "incident": trip.incident,
        "stops": [
            {
                "worker": each.worker.number,
                "served_by_candidate_before": each.before,
                "served_by_candidate_meanwhile": each.meanwhile,
                "after_seconds": round(each.after_seconds, 6),
            }
            for each in trip.stops
        ],
    }
