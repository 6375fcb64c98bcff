"""Says where a database, or what a door answers, differs from the model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from driftbreaker import CircuitBreaker
from tests.model.ledger import Key
from tests.model.oracle import Breaker, Incident
from tests.support.promises import broken_promises
from tests.support.worlds import TABLES

Row = Mapping[str, Any]
READ = {
    table: select(table).order_by(*table.primary_key)
    for table in (TABLES.breakers, TABLES.incidents, TABLES.outbox, TABLES.history)
}


class Tables:
    """All rows, as one connection sees them."""

    def __init__(self, connection: Connection) -> None:
        self._rows = {
            table.name.removeprefix(TABLES.prefix): [dict(row) for row in connection.execute(query).mappings()]
            for table, query in READ.items()
        }

    def everything(self) -> dict[str, list[dict[str, Any]]]:
        return self._rows

    def of(self, table: str, key: Key) -> list[dict[str, Any]]:
        return [row for row in self._rows[table] if (row["name"], row["scope"]) == key]


def same(what: str, actual: object, expected: object) -> None:
    assert actual == expected, f"{what}:\n  it is      {actual!r}\n  should be  {expected!r}"


def compare_tables(tables: Tables, view: Mapping[Key, Breaker]) -> None:
    """Fail unless the tables say what the model says, row by row, and keep every promise of tables."""
    found = broken_promises(tables)  # type: ignore[arg-type]
    assert not found, "\n".join(found)
    for key, breaker in view.items():
        rows = tables.of("breakers", key)
        same(f"{key} has rows", len(rows), int(breaker.exists))
        if not rows:
            same(f"{key} without a row has records", len(tables.of("history", key)), 0)
            continue
        incidents = tables.of("incidents", key)
        ids = [row["id"] for row in incidents]
        same(f"{key} incidents", len(ids), len(breaker.incidents))
        _compare_row(rows[0], breaker, ids)
        for row, incident in zip(incidents, breaker.incidents, strict=True):
            _compare_incident(row, incident, ids)
        _compare_history(tables.of("history", key), breaker, ids)
        _compare_outbox(tables.of("outbox", key), breaker, ids)


def _compare_row(row: Row, breaker: Breaker, ids: list[str]) -> None:
    expected = {
        "status": breaker.status,
        "failures": breaker.streak,
        "schema_errors": breaker.errors,
        "last_failure_at": breaker.last_failure_at,
        "opened_at": breaker.opened_at,
        "until": breaker.until,
        "reason": breaker.reason,
        "actor": breaker.actor,
        "incident_id": _id(breaker.incident, ids),
        "hold": breaker.hold,
        "forced_until": breaker.forced_until,
        "changed_at": breaker.changed_at,
        "trip_count": breaker.trips,
        "generation": breaker.generation,
        "version": breaker.version,
        "settings_hash": None if breaker.settings is None else breaker.settings.hash,
        "auto_recover": breaker.recovers if breaker.open else None,
    }
    hold = (row["hold_until"], row["hold_by"], row["hold_reason"])
    actual = {
        **{name: row[name] for name in expected if name in row},
        "schema_errors": dict(row["schema_errors"] or ()),
        "hold": None if hold == (None, None, None) else hold,
        "auto_recover": bool(row["auto_recover"]) if breaker.open else None,
    }
    same(f"row of {breaker.name!r} {breaker.scope!r}", {name: actual[name] for name in expected}, expected)


def _compare_incident(row: Row, incident: Incident, ids: list[str]) -> None:
    expected = (
        *(incident.at, incident.reason, incident.severity, incident.score, incident.samples, incident.actor),
        *(incident.until, incident.generation, incident.status, incident.resolved_at, incident.resolved_by),
        _id(incident.superseded_by, ids),
    )
    names = (
        *("ts", "reason", "severity", "drift_score", "sample_count", "actor"),
        *("until", "generation", "status", "resolved_at", "resolved_by", "superseded_by"),
    )
    same("incident", tuple(row[name] for name in names), expected)
    if incident.notes is not None:
        assert row["resolution_notes"].endswith(incident.notes)


def _compare_history(rows: list[dict[str, Any]], breaker: Breaker, ids: list[str]) -> None:
    changes = [row for row in rows if row["change"] != "settings"]
    same("history", [row["change"] for row in changes], [entry.change for entry in breaker.history])
    for row, entry in zip(changes, breaker.history, strict=True):
        names = ("old_status", "new_status", "actor", "at", "generation", "version", "incident_id")
        expected = (entry.old, entry.new, entry.actor, entry.at, entry.generation, entry.version)
        same(entry.change, tuple(row[name] for name in names), (*expected, _id(entry.incident, ids)))
        same("actor_kind", row["actor_kind"], "system" if entry.change in ("trip", "recover") else "user")
        same("reason", row["reason"], entry.reason or row["reason"])
    same("changes of settings", len(rows) - len(changes), breaker.settings_changes)


def _compare_outbox(rows: list[dict[str, Any]], breaker: Breaker, ids: list[str]) -> None:
    actual = {
        frozenset(row["labels"].items()): (
            row["state"],
            row["starts_at"],
            row["ends_at"],
            row["incident_id"],
            row["version"],
        )
        for row in rows
    }
    expected = {
        labels: (
            "firing" if alert.firing else "resolved",
            alert.starts_at,
            alert.ends_at,
            _id(alert.incident, ids),
            alert.version,
        )
        for labels, alert in breaker.alerts.items()
    }
    same("outbox", actual, expected)


def _id(position: int | None, ids: list[str]) -> str | None:
    return None if position is None else ids[position]


def compare_state(door: CircuitBreaker, view: Mapping[Key, Breaker], now: datetime, *, check: bool) -> None:
    """Fail unless state and checks say what the model says. `check` asks `is_disabled` too, which may write."""
    key = (door.name, door.scope)
    own, whole = view[key].recovered(now), view[door.name, ""].recovered(now)
    opening = next((each for each in (own, whole) if each.open), None)
    state = door.get_state()
    answers = [state.is_open, door.is_open(), state.status != "closed"]
    if check:
        answers.append(door.is_disabled())
    same(f"{key} is open", answers, [opening is not None] * len(answers))
    hold = opening.hold if opening and opening.hold else (None, None, None)
    same(
        f"state of {key}",
        {
            "opening": (state.opened_at, state.reason, state.disabled_by, state.disabled_until),
            "hold": (state.held_until, state.held_by, state.held_reason),
            "open_scope": state.open_scope,
            "counts": (state.consecutive_failures, state.schema_errors, state.last_failure_at, state.trip_count),
            "forced_until": state.forced_until,
            "generation": state.generation,
            "version": state.version,
        },
        {
            "opening": (opening.opened_at, opening.reason, opening.actor, opening.until) if opening else (None,) * 4,
            "hold": tuple(hold),
            "open_scope": opening.scope if opening else None,
            "counts": (own.streak, own.errors_of_the_hour(now), own.last_failure_at, own.trips),
            "forced_until": own.forced_until if own.forced(now) else None,
            "generation": own.generation,
            "version": own.version,
        },
    )


def compare_incidents(door: CircuitBreaker, view: Mapping[Key, Breaker], now: datetime) -> None:
    """Fail unless the incidents read as the model says, an expired breaker's as resolved."""
    own = view[door.name, door.scope].recovered(now)
    every = door.get_incidents(include_resolved=True, limit=1000)
    same("incidents, newest first", [_facts(each) for each in every], list(_newest_first(own)))
    same("unresolved incidents", sum(not each.resolved for each in every), int(own.open))


def compare_lists(door: CircuitBreaker) -> None:
    """Fail unless the readers of a breaker agree with each other."""
    state = door.get_state()
    same("is closed", door.is_closed(), not state.is_open)
    every = door.get_incidents(include_resolved=True, limit=1000)
    unresolved = [each.id for each in every if not each.resolved]
    same("unresolved incidents", [each.id for each in door.get_incidents()], unresolved)
    same("the newest incidents", door.get_incidents(include_resolved=True, limit=2), every[:2])
    if state.open_scope in (None, door.scope):
        same("the state's incident", [state.incident_id] if state.is_open else [], unresolved)
    history = door.get_history(limit=1000)
    same("history, newest first", [each.seq for each in history], sorted((e.seq for e in history), reverse=True))


def _facts(incident: Any) -> tuple[Any, ...]:
    resolution = (incident.resolved, incident.resolved_at, incident.resolved_by, incident.status)
    return incident.timestamp, incident.severity, incident.drift_score, incident.sample_count, *resolution


def _newest_first(breaker: Breaker) -> Iterator[tuple[Any, ...]]:
    in_order = sorted(enumerate(breaker.incidents), key=lambda each: (each[1].at, each[0]), reverse=True)
    for _, each in in_order:
        resolution = (each.resolved_at is not None, each.resolved_at, each.resolved_by, each.status)
        yield each.at, each.severity, each.score, each.samples, *resolution
