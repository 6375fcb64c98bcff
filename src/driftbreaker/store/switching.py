"""What people do to a breaker: disable, hold, enable, reset, force on. All of it under the breaker's row lock."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sqlalchemy import Row

from ..errors import InvalidArgumentError
from ..model import ActorKind, Change, Incident, Severity, Status
from ..settings import AlertSettings, identity_of
from ..statements import reads, transitions
from .records import incident_of
from .transition import (
    NOT_FORCED,
    NOT_HELD,
    Cause,
    Opening,
    change,
    close_locked,
    contended,
    keep_counts,
    keep_settings,
    lock,
    lock_or_create,
    open_locked,
    record_here,
    recover,
    resolve_incident,
    write_opening,
)

if TYPE_CHECKING:
    from .joined import Joined


def disable(joined: Joined, *, reason: str, actor: str, until: datetime | None) -> tuple[bool, Incident | None]:
    """Open the breaker by hand, or extend or supersede the opening that there is."""
    row = settled(joined, lock_or_create(joined))
    if row.status != Status.CLOSED and row.reason == reason:
        if not _later(until, row.until):
            return False, None
        return True, _extend(joined, row, _by_hand(Change.EXTEND, actor, reason), until)
    alert, auto_recover = _on_behalf_of(joined, row)
    superseding = row.status != Status.CLOSED
    opening = Opening(
        incident_id=str(uuid4()),
        cause=_by_hand(Change.SUPERSEDE if superseding else Change.DISABLE, actor, reason),
        severity=Severity.P2,
        drift_score=0.0,
        sample_count=0,
        details={"manual_disable": True},
        alert=alert,
    )
    write = _supersede if superseding else open_locked
    return True, write(joined, row, opening, until=until, auto_recover=auto_recover)


def hold(joined: Joined, *, reason: str, actor: str, until: datetime | None) -> bool:
    """Give an open breaker a person's end in place of the one it had; False when there is nothing to hold."""
    row = lock(joined)
    if row is not None and row.status != Status.CLOSED and not row.expired:
        _check_ahead(until, row.at, "hold")  # before anything is written
    if row is None or settled(joined, row).status == Status.CLOSED:
        return False
    held = {"hold_until": until, "hold_by": actor, "hold_reason": reason}
    _prolong(joined, row, _by_hand(Change.HOLD, actor, reason), until, held)
    return True


def enable(joined: Joined, *, reason: str, actor: str) -> bool:
    """Close the breaker by hand; False when it was closed, or expired, already."""
    return _close_by_hand(joined, lock(joined), _by_hand(Change.ENABLE, actor, reason))


def reset(joined: Joined, *, reason: str, actor: str) -> bool:
    """Close the breaker by hand, and on a closed one clear its counts and a force; False when it was closed."""
    row = lock(joined)
    cause = _by_hand(Change.RESET, actor, reason)
    if row is None or row.status != Status.CLOSED:
        return _close_by_hand(joined, row, cause)
    keep_settings(joined, row.settings_hash, row.at)
    forced = row.forced_until is not None
    if not (forced or row.failures or row.schema_errors):
        return False
    if forced:
        change(joined, failures=0, schema_errors=None, changed_at=row.at, **NOT_FORCED)
    else:
        keep_counts(joined, failures=0, schema_errors=None, changed_at=row.at)
    record_here(joined, row, cause, version=row.version + forced)
    return False


def force_on(joined: Joined, *, reason: str, actor: str, until: datetime) -> bool:
    """Keep the breaker closed until an end, whatever is reported; True when that closed an open one."""
    found = lock(joined)
    now = joined.run(reads.now(joined.sql)).scalar_one() if found is None else found.at
    _check_ahead(until, now, "force_on")  # before anything is written, be it an empty row
    row = settled(joined, lock_or_create(joined) if found is None else found)
    cause = _by_hand(Change.FORCE_ON, actor, reason)
    forced = {"forced_until": until, "forced_by": actor, "forced_reason": reason}
    if row.status != Status.CLOSED:
        close_locked(joined, row, cause, row.at, **forced)
        return True
    change(joined, changed_at=row.at, **forced)
    record_here(joined, row, cause, version=row.version + 1, details={"until": until.isoformat()})
    return False


def _by_hand(change_: Change, actor: str, reason: str) -> Cause:
    return Cause(change=change_, actor=actor, actor_kind=ActorKind.USER, reason=reason)


def settled(joined: Joined, row: Row[Any]) -> Row[Any]:
    """Return the locked row after its recovery is written, where it has expired, and its settings are kept."""
    settled: Row[Any] | None = row
    if row.expired:
        recover(joined, row)
        settled = lock(joined)
    if settled is None:
        raise contended(joined)
    keep_settings(joined, settled.settings_hash, settled.at)
    return settled


def _close_by_hand(joined: Joined, row: Row[Any] | None, cause: Cause) -> bool:
    if row is None:
        return False
    if row.expired:
        recover(joined, row)
    keep_settings(joined, row.settings_hash, row.at)
    if row.expired or row.status == Status.CLOSED:
        return False
    close_locked(joined, row, cause, row.at)
    return True


def _later(new: datetime | None, present: datetime | None) -> bool:
    """Return whether an end lies after the present one; no end lies after every end."""
    return present is not None and (new is None or new > present)


def _check_ahead(until: datetime | None, at: datetime, what: str) -> None:
    if until is not None and until <= at:
        raise InvalidArgumentError(f"{what}: until must lie ahead, got {until.isoformat()} at {at.isoformat()}")


def _on_behalf_of(joined: Joined, row: Row[Any]) -> tuple[AlertSettings, bool]:
    """Return the alert and the recovery of whoever owns the breaker.

    A door that was given no settings (an administrator's script, the command line) uses those in the row: its alert
    must be the one that the service's own trip would send.
    """
    if joined.owns_settings or row.settings is None:
        return joined.settings.alert, joined.settings.auto_recover
    stored = json.loads(row.settings)
    return AlertSettings.from_dict(stored["alert"]), stored["auto_recover"]


def _extend(joined: Joined, row: Row[Any], cause: Cause, until: datetime | None) -> Incident | None:
    return _prolong(joined, row, cause, until, NOT_HELD)


def _prolong(
    joined: Joined, row: Row[Any], cause: Cause, until: datetime | None, held: dict[str, Any]
) -> Incident | None:
    """Give the present opening another end: same incident, same labels, same severity."""
    change(joined, until=until, changed_at=row.at, **held)
    incident = joined.write(
        transitions.prolong_incident(joined.sql), incident_id=row.incident_id, until=until
    ).one_or_none()
    joined.write(
        transitions.prolong_alert(joined.sql),
        identity=row.alert_identity,
        ends_at=until if row.auto_recover else None,
    )
    ends = {"old": row.until, "until": until}
    details = {name: None if end is None else end.isoformat() for name, end in ends.items()}
    record_here(joined, row, cause, version=row.version + 1, details=details)
    return None if incident is None else incident_of(incident)


def _supersede(
    joined: Joined, row: Row[Any], opening: Opening, *, until: datetime | None, auto_recover: bool
) -> Incident:
    """Put a new incident in the place of the present one; the breaker stays open throughout."""
    resolve_incident(joined, row, opening.cause, row.at, superseded_by=opening.incident_id)
    identity = identity_of(opening.labels(joined))
    if identity != row.alert_identity:
        joined.write(transitions.end_alert(joined.sql), identity=row.alert_identity, ends_at=row.at)
    return write_opening(
        joined,
        row,
        opening,
        until=until,
        auto_recover=auto_recover,
        generation=row.generation,
        change_details={"superseded": row.incident_id},
        **NOT_HELD,
    )
