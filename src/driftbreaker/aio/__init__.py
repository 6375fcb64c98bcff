"""The doors for asyncio: the same bodies, one hop per call. Needs ``driftbreaker[asyncio]`` (greenlet)."""

from .breaker import AsyncCircuitBreaker, checked_async_session
from .relay import AsyncRelay
from .reporter import AsyncReporter
from .switchboard import AsyncSwitchboard

__all__ = ["AsyncCircuitBreaker", "AsyncRelay", "AsyncReporter", "AsyncSwitchboard", "checked_async_session"]
