"""Drains the outbox: sends what the committed rows say, again while it lasts, and sees recoveries written."""

from .options import Pass
from .thread import Relay

__all__ = ["Pass", "Relay"]
