"""What the service's breakers are called."""


def in_shadow(name: str) -> str:
    """Return the name of those whose V2 serves nobody."""
    return f"{name}-in-shadow"
