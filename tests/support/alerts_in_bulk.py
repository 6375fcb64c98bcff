"""Alerts by the thousand, written as they would be, without the thousand transactions."""

from __future__ import annotations

from sqlalchemy import insert

from tests.contract.steps import START
from tests.support.worlds import TABLES, World


def open_many(world: World, count: int) -> None:
    """Write what so many disables leave behind, in bulk."""
    rows = [
        {
            "identity": f"{number:064}",
            "name": f"b{number}",
            "labels": {"alertname": "CandidateDisabled", "circuit_breaker": f"b{number}", "severity": "warning"},
            "incident_id": f"incident-{number}",
            "state": "firing",
            "starts_at": START,
            "version": 1,
            "changed_at": START,
        }
        for number in range(count)
    ]
    incidents = [
        {
            "id": row["incident_id"],
            "name": row["name"],
            "ts": START,
            "status": "open",
            "severity": "P2",
            "reason": "prices are off",
            "drift_score": 0.0,
            "sample_count": 0,
            "details": {},
            "actor": "alice",
            "generation": 1,
            "alert_identity": row["identity"],
        }
        for row in rows
    ]
    with world.outside.begin() as connection:
        connection.execute(insert(TABLES.incidents), incidents)
        connection.execute(insert(TABLES.outbox), rows)
