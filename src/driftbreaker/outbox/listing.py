"""The outbox as people look at it: what fires or waits, how each channel does, and trying again."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import Row
from sqlalchemy.orm import Session

from ..model import AlertState, Incident
from ..statements import outbox
from ..store.records import incident_of
from .ledger import Ledger

LEAST_PREFIX = 6
_PREFIX = re.compile("[0-9a-f]{6,64}")


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """How one channel does with one alert. `waits` says that the alert as it is now has yet to be sent."""

    channel: str
    state_sent: AlertState | None
    last_sent_at: datetime | None
    next_at: datetime | None
    attempts: int
    error: str | None
    parked_at: datetime | None
    parked_body: str | None
    leased_until: datetime | None
    waits: bool

    @property
    def parked(self) -> bool:
        """Whether the channel refused the alert for good."""
        return self.parked_at is not None

    @property
    def failing(self) -> bool:
        """Whether the channel's last tries failed for now."""
        return self.attempts > 0 and not self.parked


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One alert with its deliveries. `lapsed`: it fires on paper, for its breaker has recovered and nobody wrote it."""

    identity: str
    name: str
    scope: str
    labels: dict[str, str]
    state: AlertState
    starts_at: datetime
    ends_at: datetime | None
    changed_at: datetime
    incident_id: str
    lapsed: bool
    now: datetime
    deliveries: tuple[Delivery, ...]


@dataclass(frozen=True, kw_only=True)
class Match:
    """What somebody's word for an alert means: these label sets; none, and perhaps the word is like these names."""

    identities: tuple[str, ...] = ()
    ambiguous: bool = False
    names: tuple[str, ...] = ()
    known: bool = False


@dataclass(frozen=True, kw_only=True)
class Retried:
    """Deliveries that are due at once now, as (identity, channel); and how many a relay was at just then."""

    due: tuple[tuple[str, str], ...]
    at_work: int


def entries(session: Session, ledger: Ledger, *, everything: bool = False) -> list[Entry]:
    """Return what fires or waits, or everything on record. One statement; locks and writes nothing."""
    statement = outbox.listing(ledger.sql(session), everything=everything)
    return _entries(ledger.run(session, statement))


def entries_of(session: Session, ledger: Ledger, identities: Iterable[str]) -> list[Entry]:
    """Return some alerts. One statement; locks and writes nothing."""
    return _entries(ledger.run(session, outbox.these(ledger.sql(session)), identities=list(identities)))


def incidents_of(session: Session, ledger: Ledger, identities: Iterable[str]) -> dict[str, Incident]:
    """Return the incident of each alert, by the alert's identity."""
    found = ledger.run(session, outbox.incidents(ledger.sql(session)), identities=list(identities))
    return {row.outbox_identity: incident_of(row) for row in found}


def match(session: Session, ledger: Ledger, word: str) -> Match:
    """Find the alerts that somebody means by a breaker's name, an identity, or the first six signs of one or more.

    A name goes before an identity. Without a match, `names` holds every name that there is.
    """
    sql = ledger.sql(session)
    # What no column holds is no name of anything, and one of the databases would not even compare it.
    askable = re.search("[\x00\ud800-\udfff]", word) is None
    named = tuple(ledger.run(session, outbox.identities_of(sql), name=word).scalars()) if askable else ()
    if named:
        return Match(identities=named)
    prefix = word.lower()
    if _PREFIX.fullmatch(prefix):
        found = tuple(ledger.run(session, outbox.identities_like(sql), pattern=f"{prefix}%").scalars())
        if found:
            return Match(identities=found, ambiguous=len(found) > 1)
    names = tuple(sorted(ledger.run(session, outbox.names(sql)).scalars()))
    return Match(names=names, known=word in names)


def retry(session: Session, ledger: Ledger, identities: Iterable[str] | None) -> Retried:
    """Make what was refused or fails due at once, of some alerts or (None) of all.

    Writes deliveries alone: when they are due, that nobody has tried yet, and that nothing is parked. What a relay has
    claimed is left to it, and not waited for.
    """
    sql = ledger.sql(session)
    values: dict[str, Any] = {} if identities is None else {"identities": list(identities)}
    everything = identities is None
    due = tuple(
        (row.identity, row.channel) for row in ledger.run(session, outbox.retry(sql, everything=everything), **values)
    )
    left = ledger.run(session, outbox.at_work(sql, everything=everything), **values).scalar_one()
    return Retried(due=tuple(sorted(due)), at_work=left)


def _entries(rows: Iterable[Row[Any]]) -> list[Entry]:
    grouped = groupby(rows, key=lambda row: row.outbox_identity)
    return [_entry(list(of_it)) for _, of_it in grouped]


def _entry(rows: list[Row[Any]]) -> Entry:
    alert = rows[0]
    return Entry(
        identity=alert.outbox_identity,
        name=alert.outbox_name,
        scope=alert.outbox_scope,
        labels=alert.outbox_labels,
        state=AlertState(alert.outbox_state),
        starts_at=alert.outbox_starts_at,
        ends_at=alert.outbox_ends_at,
        changed_at=alert.outbox_changed_at,
        incident_id=alert.outbox_incident_id,
        lapsed=bool(alert.lapsed),
        now=alert.now,
        deliveries=tuple(_delivery(row) for row in rows if row.channel is not None),
    )


def _delivery(row: Row[Any]) -> Delivery:
    leased = row.lease_until is not None and row.lease_until > row.now
    return Delivery(
        channel=row.channel,
        state_sent=None if row.state_sent is None else AlertState(row.state_sent),
        last_sent_at=row.last_sent_at,
        next_at=row.next_at,
        attempts=row.attempts,
        error=row.last_error,
        parked_at=row.parked_at if row.parked_version is not None else None,
        parked_body=row.parked_body,
        leased_until=row.lease_until if leased else None,
        waits=row.version_seen != row.outbox_version,
    )
