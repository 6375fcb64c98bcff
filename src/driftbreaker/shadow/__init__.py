"""Runs a candidate beside its control, or before it with the control to fall back on, and reports how far they differ.

The control's caller notices none of it: what the candidate raises, breaks or delays is an observation, never an error.
"""

from .comparison import Answer, Comparison, ComparisonKind, Counts, OutOfTimeError, Why
from .reports import Reports
from .shadow import Shadow, guard

__all__ = ["Answer", "Comparison", "ComparisonKind", "Counts", "OutOfTimeError", "Reports", "Shadow", "Why", "guard"]
