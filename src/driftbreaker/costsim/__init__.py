"""The breaker of "CostSim V2", the module that driftbreaker grew out of: its contract, on top of the core."""

from .circuit_breaker import (
    CB_NAME,
    FEATURE_INTENT,
    RETRY_POLICY,
    CircuitBreaker,
    create_circuit_breaker,
    disable_v2,
    enable_v2,
    is_v2_disabled,
    logger,
)
from .delivery import create_relay
from .intents import FeatureIntent, RetryPolicy
from .records import CircuitBreakerState, Incident

__all__ = [
    "CB_NAME",
    "FEATURE_INTENT",
    "RETRY_POLICY",
    "CircuitBreaker",
    "CircuitBreakerState",
    "FeatureIntent",
    "Incident",
    "RetryPolicy",
    "create_circuit_breaker",
    "create_relay",
    "disable_v2",
    "enable_v2",
    "is_v2_disabled",
    "logger",
]
