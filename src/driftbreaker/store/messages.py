"""What a notification says: which breaker changed, and the version that it has now."""

from __future__ import annotations

import json

from ..model import Key


def message_of(key: Key, version: int) -> str:
    """Write the message of a change; far below the 8,000 bytes that PostgreSQL takes."""
    return json.dumps([key.name, key.scope, version], ensure_ascii=False)


def read_message(message: str) -> tuple[Key, int] | None:
    """Read a message; None for what somebody else sent on our channel."""
    try:
        name, scope, version = json.loads(message)
    except (ValueError, TypeError):
        return None
    if not (isinstance(name, str) and isinstance(scope, str) and type(version) is int):
        return None
    return Key(name, scope), version
