"""Finds what a channel should send, and takes it under a lease, so that no other relay sends it as well."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from sqlalchemy import Row
from sqlalchemy.orm import Session

from ..alerts import Alert
from ..model import AlertState, Incident
from ..statements import deliveries
from ..store.records import incident_of
from .ledger import Ledger


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One alert that this relay, and no other, may send by this channel until the lease ends."""

    lease: str
    alert: Alert
    attempts: int
    sends: int
    version_sent: int
    state_sent: AlertState | None
    incident_sent: str | None


def find_due(session: Session, ledger: Ledger, channel: str, limit: int, *, everything: bool = True) -> dict[str, bool]:
    """Return the identities of at most `limit` alerts that are due, each with whether it is new to the channel.

    Without `everything`, changes are found that were written within the last quarter of an hour.
    """
    statement = deliveries.find_due(ledger.sql(session), everything=everything)
    found = ledger.run(session, statement, channel=channel, limit=limit)
    return {row.identity: bool(row.new) for row in found}


def claim(
    session: Session, ledger: Ledger, channel: str, found: dict[str, bool], *, lease: float, records: bool
) -> list[Claim]:
    """Claim what was found, as far as it is due still and free; `lease` is in seconds.

    With `records` each alert brings the incidents that ended since the channel last took it.
    """
    sql = ledger.sql(session)
    new = [{"identity": identity, "channel": channel} for identity, is_new in found.items() if is_new]
    ledger.run_each(session, deliveries.enrol(sql), new)
    token = str(uuid4())
    claimed = ledger.run(
        session,
        deliveries.claim(sql),
        channel=channel,
        identities=list(found),
        lease=token,
        lease_length=round(lease * 1000),
    ).all()
    if not claimed:
        return []
    identities = [row.identity for row in claimed]
    alerts = {
        row.outbox_identity: _alert_of(row)
        for row in ledger.run(session, deliveries.alerts(sql), identities=identities)
    }
    if records:
        alerts = _with_earlier(session, ledger, channel, alerts)
    # In the order in which they were found: what has waited longest goes first.
    rows = {row.identity: row for row in claimed}
    return [_claim_of(token, rows[identity], alerts[identity]) for identity in found if identity in rows]


def _claim_of(token: str, row: Row[Any], alert: Alert) -> Claim:
    return Claim(
        lease=token,
        alert=alert,
        attempts=row.attempts,
        sends=row.sends,
        version_sent=row.version_sent,
        state_sent=None if row.state_sent is None else AlertState(row.state_sent),
        incident_sent=row.incident_sent,
    )


def _alert_of(row: Row[Any]) -> Alert:
    return Alert(
        identity=row.outbox_identity,
        version=row.outbox_version,
        name=row.outbox_name,
        scope=row.outbox_scope,
        state=AlertState(row.outbox_state),
        labels=row.outbox_labels,
        starts_at=row.outbox_starts_at,
        ends_at=row.outbox_ends_at,
        now=row.now,
        incident=incident_of(row),
        held_until=row.hold_until if row.held_by is not None else None,
        held_by=row.held_by,
        runbook_url=row.outbox_runbook_url,
        generator_url=row.outbox_generator_url,
    )


def _with_earlier(session: Session, ledger: Ledger, channel: str, alerts: dict[str, Alert]) -> dict[str, Alert]:
    sql = ledger.sql(session)
    earlier: dict[str, list[Incident]] = defaultdict(list)
    found: Sequence[Row[Any]] = ledger.run(
        session, deliveries.earlier_incidents(sql), channel=channel, identities=list(alerts)
    ).all()
    for row in found:
        if row.id != alerts[row.alert_identity].incident.id:
            earlier[row.alert_identity].append(incident_of(row))
    return {identity: replace(alert, earlier=tuple(earlier[identity])) for identity, alert in alerts.items()}
