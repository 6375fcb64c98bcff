"""The process's copy of what is open, for checks that cost nanoseconds; kept up to date by the room above."""

from ..model import Basis
from .board import Board
from .forced import ForcedOff
from .handle import Handle
from .outage import Outage
from .overrides import overrides
from .snapshot import Snapshot

__all__ = ["Basis", "Board", "ForcedOff", "Handle", "Outage", "Snapshot", "overrides"]
