"""The relay's side of the outbox: what is due, claimed, settled, swept and pruned. Each step is for one transaction."""

from .claiming import Claim, claim, find_due
from .ledger import Ledger
from .listing import Delivery, Entry, Match, Retried, entries, entries_of, incidents_of, match, retry
from .settling import Settled, mark_sent, settle
from .tidying import mark_missed, prune, sweep

__all__ = [
    "Claim",
    "Delivery",
    "Entry",
    "Ledger",
    "Match",
    "Retried",
    "Settled",
    "claim",
    "entries",
    "entries_of",
    "find_due",
    "incidents_of",
    "mark_missed",
    "mark_sent",
    "match",
    "prune",
    "retry",
    "settle",
    "sweep",
]
