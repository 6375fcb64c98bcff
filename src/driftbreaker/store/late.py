"""Late reports: kept with the session, and made just before the caller's outermost commit.

A bad report holds the breaker's row lock until the transaction ends; made last, it holds it for the commit alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import Session

from ..errors import NoTransactionError
from ..model import Observation
from ..policy import Batch
from . import pending
from .joined import Door
from .reporting import report_drift, report_schema_errors

# As often as SQLAlchemy itself lets flushes lead to further flushes.
_FLUSHES = 100


@dataclass(frozen=True, kw_only=True, eq=False)
class LateReport:
    """One call, checked when it was made: an observation, or a number of schema errors."""

    door: Door
    generation: int | None
    observation: Observation | None = None
    schema_errors: int = 0
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def operation(self) -> str:
        """The method that was called."""
        return "report_schema_error" if self.observation is None else "report_drift"


def report_late(session: Session, report: LateReport) -> None:
    """Keep a report for the session's outermost commit. Sends nothing until then.

    What the host's own listeners report while that commit is under way is made at once: it is as late as can be.
    Raises NoTransactionError where the session has no transaction to keep it with and may not begin one, or one that
    is prepared or committed.
    """
    if pending.is_committing(session):
        if not session.is_active:
            raise NoTransactionError(
                f"{report.operation} on breaker {report.door.key} comes too late: the session's transaction takes no "
                "more work"
            )
        _make(session, [report])
        return
    if not session.in_transaction():
        if not session.autobegin:
            raise NoTransactionError(
                f"{report.operation} on breaker {report.door.key} needs a transaction to wait for: begin one first"
            )
        session.begin()
    pending.queue_report(session, report)


# After what `sessions` does at a commit: nothing is sent on behalf of what is half written.
@event.listens_for(Session, "before_commit")
def _make_reports(session: Session) -> None:
    if session.in_nested_transaction():
        return
    if pending.queued_reports(session):
        _flush(session)
    pending.begin_commit(session)
    # Breakers in the order of their names, so that no two commits wait for each other; a breaker's reports in the
    # order of their calls.
    reports = sorted(pending.queued_reports(session), key=lambda report: report.door.key)
    for _, alike in groupby(reports, key=lambda report: (report.door, report.operation, report.generation)):
        batch = list(alike)
        _make(session, batch)
        pending.forget_reports(session, batch)


def _make(session: Session, alike: list[LateReport]) -> None:
    """Make reports of one operation at one door, in one generation, as one step."""
    first = alike[0]
    with first.door.join(session, first.operation) as joined:
        if first.operation == "report_drift":
            report_drift(joined, _summed_up(alike), first.generation)
        else:
            errors = sum(report.schema_errors for report in alike)
            report_schema_errors(joined, errors, alike[-1].details, first.generation)


def _summed_up(reports: Iterable[LateReport]) -> Batch:
    return Batch.of(report.observation for report in reports if report.observation is not None)


def _flush(session: Session) -> None:
    """Let the caller's work reach the database first: its flush may still fail, and its listeners may still report."""
    for _ in range(_FLUSHES):
        if not (session.new or session.dirty or session.deleted):
            return
        session.flush()
