"""What must be true of the tables at any moment, whoever wrote them and in whatever order."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from tests.support.worlds import World

Row = dict[str, Any]
OPENINGS = {"trip", "disable", "supersede"}
# Changes of what a breaker counts, is judged by or is told are on record, and are no new version of what it says.
OF_COUNTS = {"settings", "reset", "note"}
ONLY_WHILE_OPEN = (
    "opened_at",
    "until",
    "reason",
    "actor",
    "incident_id",
    "alert_identity",
    "hold_until",
    "hold_by",
    "hold_reason",
)


def assert_promises_kept(world: World) -> None:
    """Fail with all that is broken, in full."""
    found = broken_promises(world)
    assert not found, f"{len(found)} promises broken:\n" + "\n".join(found)


def broken_promises(world: World) -> list[str]:
    """Return a sentence for every promise that the tables break: none, if all is well."""
    everything = world.everything()
    found = []
    for row in everything["breakers"]:
        own = {
            table: sorted(
                (other for other in rows if (other["name"], other["scope"]) == (row["name"], row["scope"])),
                key=lambda other: other.get("seq", 0),
            )
            for table, rows in everything.items()
        }
        for look in (_row, _incidents, _alerts, _statuses, _numbers, _times):
            found += [f"{row['name']}: {sentence}" for sentence in look(row, own)]
    return found


def _row(row: Row, _own: dict[str, list[Row]]) -> Iterator[str]:
    filled = {name for name in ONLY_WHILE_OPEN if row[name] is not None}
    if row["status"] == "closed" and filled:
        yield f"it is closed and still says {sorted(filled)}"
    if row["status"] != "closed" and row["forced_until"] is not None:
        yield "it is open and forced on"


def _incidents(row: Row, own: dict[str, list[Row]]) -> Iterator[str]:
    unresolved = [incident["id"] for incident in own["incidents"] if incident["resolved_at"] is None]
    named = [] if row["status"] == "closed" else [row["incident_id"]]
    if unresolved != named:
        yield f"it is {row['status']} and names {named}, the unresolved incidents are {unresolved}"
    for incident in own["incidents"]:
        if (incident["resolved_at"] is None) != (incident["status"] in ("open", "acknowledged")):
            yield f"an incident is {incident['status']} with its resolution at {incident['resolved_at']}"
        if incident["resolved_at"] is not None and incident["resolved_at"] < incident["ts"]:
            yield f"an incident of {incident['ts']} was resolved earlier, at {incident['resolved_at']}"
    known = {incident["id"] for incident in own["incidents"]}
    mentioned = {entry["incident_id"] for table in ("history", "outbox") for entry in own[table]}
    mentioned |= {incident["superseded_by"] for incident in own["incidents"]}
    if missing := mentioned - known - {None}:
        yield f"there are no incidents {sorted(missing)}"
    openings = [entry["incident_id"] for entry in own["history"] if entry["change"] in OPENINGS]
    if openings != [incident["id"] for incident in own["incidents"]]:
        yield f"{len(openings)} openings in history made {len(known)} incidents, or in another order"
    trips = sum(entry["change"] == "trip" for entry in own["history"])
    if trips != row["trip_count"]:
        yield f"{trips} trips in history, {row['trip_count']} in the row"


def _alerts(row: Row, own: dict[str, list[Row]]) -> Iterator[str]:
    named = [] if row["status"] == "closed" else [(row["alert_identity"], row["incident_id"])]
    firing = [(alert["identity"], alert["incident_id"]) for alert in own["outbox"] if alert["state"] == "firing"]
    if firing != named:
        yield f"it is {row['status']} with the alert {named}, and {firing} fires"
    for alert in own["outbox"]:
        if alert["state"] == "resolved" and not (alert["ends_at"] and alert["ends_at"] >= alert["starts_at"]):
            yield f"an alert began at {alert['starts_at']} and ended at {alert['ends_at']}"
        if alert["state"] == "firing" and alert["ends_at"] != (row["until"] if row["auto_recover"] else None):
            yield f"the alert ends at {alert['ends_at']}, the opening at {row['until']}"


def _statuses(row: Row, own: dict[str, list[Row]]) -> Iterator[str]:
    status = "closed"
    for entry in own["history"]:
        if entry["old_status"] != status:
            yield f"{_named(entry)} found it {entry['old_status']}, the entry before left it {status}"
        status = entry["new_status"]
    if status != row["status"]:
        yield f"it is {row['status']}, history left it {status}"


def _numbers(row: Row, own: dict[str, list[Row]]) -> Iterator[str]:
    generation = version = 0
    for entry in own["history"]:
        generation += entry["old_status"] != entry["new_status"]
        if entry["generation"] != generation:
            yield f"{_named(entry)} is in generation {entry['generation']} instead of {generation}"
        of_counts = entry["change"] in OF_COUNTS and entry["old_status"] == entry["new_status"]
        if entry["version"] != version + 1 and not (of_counts and entry["version"] == version):
            yield f"{_named(entry)} is version {entry['version']} after {version}"
        version = entry["version"]
    if (row["generation"], row["version"]) != (generation, version):
        yield f"generation {row['generation']}, version {row['version']}; history ends at {generation}, {version}"


def _times(row: Row, own: dict[str, list[Row]]) -> Iterator[str]:
    for one, other in pairwise(own["history"]):
        if other["at"] < one["at"]:
            yield f"time runs backwards from {_named(one)} at {one['at']} to {_named(other)} at {other['at']}"
    opened = [entry["at"] for entry in own["history"] if entry["old_status"] != entry["new_status"]]
    if row["opened_at"] is not None and opened[-1:] != [row["opened_at"]]:
        yield f"it opened at {row['opened_at']}, in history at {opened[-1:]}"
    if own["history"] and row["changed_at"] < own["history"][-1]["at"]:
        yield f"it changed at {row['changed_at']}, in history at {own['history'][-1]['at']}: the next could be earlier"


def _named(entry: Row) -> str:
    return f"{entry['change']} (seq {entry['seq']})"
