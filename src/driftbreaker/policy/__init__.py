"""When to trip. Pure: no clock, no database, no configuration."""

from .batch import Batch
from .consecutive import Consecutive, Streak
from .rolling import add_errors, count_errors
from .threshold import judge, reaches, warns

__all__ = ["Batch", "Consecutive", "Streak", "add_errors", "count_errors", "judge", "reaches", "warns"]
