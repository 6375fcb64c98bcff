"""Do alerts leave: what waits, what was refused, and does any relay live."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Engine

from ..clean import clean_text
from ..model import AlertState
from ..outbox import Delivery, Entry, Ledger, entries
from ..tables import Tables, default_tables
from .finding import Finding, failed, looking, ok, on_database, skipped, warning

#: An alert that waits so long is told, and after so long it is a failure. A relay looks every few seconds.
LATE = timedelta(minutes=1)
TOO_LATE = timedelta(minutes=5)
_LIST = "See them: driftbreaker outbox list"
_RETRY = f"{_LIST}; after the cure: driftbreaker outbox retry --all"
_SEND = f"{_LIST}; send them: driftbreaker relay"


@on_database("outbox")
def check_outbox(engine: Engine, tables: Tables | None = None) -> Finding:
    """Find the oldest alert that waits, with the last error of its channel, and what channels refused."""
    found = _entries(engine, tables)
    refused = [(entry, each) for entry in found for each in entry.deliveries if each.parked]
    if refused:
        entry, delivery = refused[0]
        told = f"{_alerts(len(refused))} refused, {_of(entry)} by {delivery.channel}: {_error(delivery)}"
        fires = any(entry.state is AlertState.FIRING for entry, _ in refused)
        return failed("outbox", told, _RETRY) if fires else warning("outbox", told, _RETRY)
    waiting = [entry for entry in found if _waits(entry)]
    if not waiting:
        fire = sum(entry.state is AlertState.FIRING and not entry.lapsed for entry in found)
        return ok("outbox", f"nothing waits; {_alerts(fire)} on" if fire else "nothing fires or waits")
    oldest = min(waiting, key=lambda entry: entry.changed_at)
    age = oldest.now - oldest.changed_at
    told = f"{_alerts(len(waiting))} waiting, {_of(oldest)} for {_length(age)}{_why(oldest)}"
    if age < LATE:
        return ok("outbox", told)
    # There is nothing to try again where nothing was tried.
    advice = _RETRY if any(each.failing for entry in waiting for each in entry.deliveries) else _SEND
    return failed("outbox", told, advice) if age >= TOO_LATE else warning("outbox", told, advice)


@on_database("relay")
def check_relay(engine: Engine, tables: Tables | None = None) -> Finding:
    """Find whether anybody sends: an idle relay leaves no trace, and is not missed either."""
    found = _entries(engine, tables)
    if not found:
        return skipped("relay", "nothing is to be sent, and a relay that waits leaves no trace")
    now = found[0].now
    deliveries = [each for entry in found for each in entry.deliveries]
    last = max((each.last_sent_at for each in deliveries if each.last_sent_at is not None), default=None)
    told = "nothing was ever sent" if last is None else f"last sent {_length(now - last)} ago"
    late = max((now - due for due in map(_due, found) if due is not None), default=timedelta(0))
    if late < LATE:
        return ok("relay", f"nobody is late; {told}")
    advice = "Start one: driftbreaker relay --alertmanager URL, or Relay(engine, channels) in the service"
    told = f"what is due for {_length(late)} was not sent; {told}"
    return failed("relay", told, advice) if late >= TOO_LATE else warning("relay", told, advice)


def _due(entry: Entry) -> datetime | None:
    """Return since when a relay that lives would have been at an alert; None where one is at it, or need not be."""
    if entry.lapsed:
        return entry.ends_at
    if not entry.deliveries:
        return entry.changed_at
    due = []
    for each in entry.deliveries:
        if each.leased_until is not None:
            continue
        if each.waits:
            due.append(entry.changed_at)
        elif each.next_at is not None:
            due.append(each.next_at)
    return min(due, default=None)


def _waits(entry: Entry) -> bool:
    """Whether some channel has not got the alert as it is; a resolve that nobody was paged for matters as much."""
    return not entry.lapsed and (not entry.deliveries or any(each.waits or each.failing for each in entry.deliveries))


def _entries(engine: Engine, tables: Tables | None) -> list[Entry]:
    tables = tables or default_tables()
    with looking(engine, tables) as session:
        return entries(session, Ledger(tables))


def _why(entry: Entry) -> str:
    if not entry.deliveries:
        return ": no relay has taken it yet"
    wrong = next((each for each in entry.deliveries if each.error), None)
    return "" if wrong is None else f"; {wrong.channel}: {_error(wrong)}"


def _error(delivery: Delivery) -> str:
    return clean_text(delivery.error or "it did not say why", 200)


def _of(entry: Entry) -> str:
    return repr(clean_text(f"{entry.name}/{entry.scope}" if entry.scope else entry.name, 80))


def _alerts(number: int) -> str:
    return "1 alert" if number == 1 else f"{number} alerts"


def _length(age: timedelta) -> str:
    seconds = max(0, int(age.total_seconds()))
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"
