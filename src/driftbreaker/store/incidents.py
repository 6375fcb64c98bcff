"""What people do about an incident: take it, give it to somebody, write to it. All under the breaker's row lock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Executable, Row

from ..errors import InvalidArgumentError
from ..model import ActorKind, Change, Incident, Note, Status
from ..statements import incidents
from .records import incident_of, note_of
from .switching import settled
from .transition import CLAIMED, Cause, change, keep_counts, lock, record_here

if TYPE_CHECKING:
    from .joined import Joined


def acknowledge(joined: Joined, *, reason: str, actor: str, incident_id: str | None) -> tuple[bool, Incident | None]:
    """Take the present incident; False with the incident as it is when that is another one, or taken already."""
    row, incident = _present(joined, incident_id)
    if row is None or incident is None or row.incident_id != incident.id or incident.acknowledged_by is not None:
        return False, incident
    cause = Cause(change=Change.ACKNOWLEDGE, actor=actor, actor_kind=ActorKind.USER, reason=reason)
    values = {"acknowledged_at": row.at, "acknowledged_by": actor}
    return True, _change(joined, row, cause, incidents.acknowledge(joined.sql), values, {})


def assign(
    joined: Joined, *, to: str | None, reason: str, actor: str, incident_id: str | None
) -> tuple[bool, Incident | None]:
    """Give the present incident to somebody; False when that is another one, or theirs already."""
    row, incident = _present(joined, incident_id)
    if row is None or incident is None or row.incident_id != incident.id or incident.assigned_to == to:
        return False, incident
    cause = Cause(change=Change.ASSIGN, actor=actor, actor_kind=ActorKind.USER, reason=reason)
    details = {"old": incident.assigned_to, "new": to}
    return True, _change(joined, row, cause, incidents.assign(joined.sql), {"assigned_to": to}, details)


def add_note(joined: Joined, *, body: str, actor: str, incident_id: str | None) -> Note | None:
    """Write to the present incident, or to any by its id, be it over; None when there is none."""
    row, incident = _present(joined, incident_id)
    if row is None or incident is None:
        return None
    written = {"incident_id": incident.id, "at": row.at, "source": CLAIMED, "door": joined.door, "body": body}
    seq = joined.write(incidents.add_note(joined.sql), **written, note_actor=actor).scalar_one()
    keep_counts(joined, changed_at=row.at)  # no new version, but nothing later may be dated before it
    cause = Cause(change=Change.NOTE, actor=actor, actor_kind=ActorKind.USER, reason=body)
    record_here(joined, row, cause, version=row.version, incident_id=incident.id)
    return Note(seq=seq, name=joined.key.name, scope=joined.key.scope, actor=actor, **written)


def get_notes(joined: Joined, *, incident_id: str, limit: int) -> list[Note]:
    """Return the notes of one incident, oldest first, writing nothing."""
    statement = incidents.notes(joined.sql)
    return [note_of(row) for row in joined.run(statement, incident_id=incident_id, limit=limit)]


def _present(joined: Joined, incident_id: str | None) -> tuple[Row[Any] | None, Incident | None]:
    """Return the breaker's row, locked, and the incident that is meant: the present one unless an id says which.

    Raises InvalidArgumentError for an id that no incident of this breaker has.
    """
    row = lock(joined)
    # Asked before anything is written: a refusal leaves no recovery and no settings behind.
    named = None if incident_id is None else _by_id(joined, incident_id)
    if row is None:
        return None, named
    locked, row = row, settled(joined, row)
    if named is not None and row is locked:
        return row, named
    meant = incident_id or (None if row.status == Status.CLOSED else row.incident_id)
    return row, None if meant is None else _by_id(joined, meant)


def _by_id(joined: Joined, incident_id: str) -> Incident:
    found = joined.run(incidents.by_id(joined.sql), incident_id=incident_id).one_or_none()
    if found is None:
        raise InvalidArgumentError(f"breaker {joined.key} has no incident {incident_id!r}")
    return incident_of(found)


def _change(
    joined: Joined, row: Row[Any], cause: Cause, statement: Executable, values: dict[str, Any], details: dict[str, Any]
) -> Incident:
    changed = joined.write(statement, incident_id=row.incident_id, **values).one()
    change(joined, changed_at=row.at)
    record_here(joined, row, cause, version=row.version + 1, details=details)
    return incident_of(changed)
