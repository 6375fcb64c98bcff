"""What a module declares about itself in the origin's code base."""

from enum import StrEnum


class FeatureIntent(StrEnum):
    """What calling a feature does to the world."""

    PURE_QUERY = "pure_query"
    STATE_MUTATION = "state_mutation"
    EXTERNAL_SIDE_EFFECT = "external_side_effect"
    RECOVERABLE_OPERATION = "recoverable_operation"


class RetryPolicy(StrEnum):
    """Whether a failed call may be made again."""

    NEVER = "never"
    SAFE = "safe"
    DANGEROUS = "dangerous"
