"""Writes down what became of what was claimed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from ..alerts import Outcome, Result
from ..clean import clean_text
from ..statements import deliveries
from .claiming import Claim
from .ledger import Ledger

MAX_ERROR = 1_024
MAX_BODY = 16 * 1024


@dataclass(frozen=True, kw_only=True)
class Settled:
    """A claim with its outcome (None: nothing that the channel wants to hear) and the seconds until it is due again."""

    claim: Claim
    outcome: Outcome | None
    delay: float | None = None


def settle(session: Session, ledger: Ledger, channel: str, settled: Sequence[Settled]) -> None:
    """Give claims back, each with what became of it. A claim whose lease another relay took over settles nothing.

    The version on record is the one that was sent: a newer one is due by itself.
    """
    sql = ledger.sql(session)
    statements = {
        None: deliveries.settle_untold(sql),
        Result.ACCEPTED: deliveries.settle_accepted(sql),
        Result.FAILED: deliveries.settle_failed(sql),
        Result.REFUSED: deliveries.settle_refused(sql),
    }
    for result, statement in statements.items():
        rows = [_row(channel, each) for each in settled if (each.outcome and each.outcome.result) == result]
        ledger.run_each(session, statement, rows)


def _row(channel: str, settled: Settled) -> dict[str, Any]:
    alert, outcome = settled.claim.alert, settled.outcome
    row: dict[str, Any] = {
        "channel": channel,
        "identity": alert.identity,
        "lease": settled.claim.lease,
        "version_seen": alert.version,
    }
    if outcome is None:
        return row
    error = clean_text(outcome.error, MAX_ERROR)
    delay = None if settled.delay is None else round(settled.delay * 1000)
    if outcome.result is Result.ACCEPTED:
        return {**row, "delay": delay, "state_sent": alert.state.value, "incident_sent": alert.incident.id}
    if outcome.result is Result.FAILED:
        return {**row, "delay": delay, "last_error": error}
    return {**row, "last_error": error, "parked_body": clean_text(outcome.body, MAX_BODY)}


def mark_sent(session: Session, ledger: Ledger, incidents: Sequence[str]) -> None:
    """Say in incidents that the firing alert was taken, where they do not say so yet. Waits for nobody."""
    if incidents:
        ledger.run(session, deliveries.mark_sent(ledger.sql(session)), incidents=list(incidents))
