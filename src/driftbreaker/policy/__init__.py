"""When to trip. Pure: no clock, no database, no configuration."""

from .consecutive import Consecutive, Streak
from .threshold import judge, reaches

__all__ = ["Consecutive", "Streak", "judge", "reaches"]
