"""Housekeeping: recoveries that nobody wrote, marks that somebody's lock prevented, alerts that are long over."""

from __future__ import annotations

from sqlalchemy.orm import Session

from ..model import Key
from ..settings import BreakerSettings
from ..statements import deliveries
from ..store import recover_quietly
from ..store.joined import Door
from .ledger import Ledger

ABANDONED = 30 * 86_400_000  # milliseconds


def sweep(session: Session, ledger: Ledger, limit: int) -> int:
    """Write the recovery of at most `limit` expired breakers; return how many. What somebody holds is passed over."""
    sql = ledger.sql(session)
    recovered = 0
    for row in ledger.run(session, deliveries.expired_breakers(sql), limit=limit).all():
        door = Door(
            key=Key(row.name, row.scope),
            settings=BreakerSettings(),
            tables=ledger.tables,
            clock=ledger.clock,
            owns_settings=False,
            kind="relay",
            notify=ledger.notify,
        )
        with door.join(session, "sweep") as joined:
            recovered += recover_quietly(joined)
    return recovered


def mark_missed(session: Session, ledger: Ledger, limit: int) -> int:
    """Mark incidents as sent whose rows were held when their alert was taken; return how many were found."""
    sql = ledger.sql(session)
    incidents = list(ledger.run(session, deliveries.unmarked(sql), limit=limit).scalars())
    if incidents:
        ledger.run(session, deliveries.mark_sent(sql), incidents=incidents)
    return len(incidents)


def prune(session: Session, ledger: Ledger, *, keep: float, keep_parked: float, limit: int) -> int:
    """Forget at most `limit` alerts that ended `keep` seconds ago and that every channel is done with.

    One that a channel refused stays for `keep_parked` seconds; one that waits for a channel which nobody has served
    for a month goes with it. Returns how many went.
    """
    sql = ledger.sql(session)
    ages = {"keep": round(keep * 1000), "keep_parked": round(keep_parked * 1000), "abandoned": ABANDONED}
    gone = 0
    for row in ledger.run(session, deliveries.finished(sql), **ages, limit=limit).all():
        if ledger.run(session, deliveries.lock_quietly(sql), name=row.name, scope=row.scope).first() is None:
            continue
        pruned = ledger.run(session, deliveries.prune_alert(sql), identity=row.identity, version=row.version)
        if pruned.rowcount:
            ledger.run(session, deliveries.prune_deliveries(sql), identity=row.identity)
            gone += 1
    return gone
