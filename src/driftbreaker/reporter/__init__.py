"""The independent door: reports return at once, and are written in short transactions of the reporter's own."""

from .counts import ReporterCounts
from .thread import Reporter

__all__ = ["Reporter", "ReporterCounts"]
