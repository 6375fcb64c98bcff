"""The relay's side of the outbox: what is due, claimed, settled, swept and pruned. Each step is for one transaction."""

from .claiming import Claim, claim, find_due
from .ledger import Ledger
from .settling import Settled, mark_sent, settle
from .tidying import mark_missed, prune, sweep

__all__ = [
    "Claim",
    "Ledger",
    "Settled",
    "claim",
    "find_due",
    "mark_missed",
    "mark_sent",
    "prune",
    "settle",
    "sweep",
]
