"""Settings from the environment. Secrets come from there, or from a file that it names, and never from an option."""

from __future__ import annotations

import os
from pathlib import Path

from driftbreaker.cli.exits import Usage

MAX_SECRET = 64 * 1024


def setting(name: str) -> str | None:
    """Return what the environment says, None for nothing: an empty variable is an unset one."""
    return os.environ.get(name, "").strip() or None


def secret(name: str) -> str | None:
    """Return a secret: the variable `name`, or the content of the file that the variable `name`_FILE names."""
    given, path = setting(name), setting(f"{name}_FILE")
    if path is None:
        return given
    if given is not None:
        raise Usage(f"{name} and {name}_FILE are both set: unset one of them")
    try:
        with Path(path).open(encoding="utf-8") as file:
            content = file.read(MAX_SECRET).strip()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "it is no text in UTF-8"
        raise Usage(f"{name}_FILE names {path}, which cannot be read: {why}") from None
    if not content:
        raise Usage(f"{name}_FILE names {path}, which is empty")
    return content


def seconds(name: str) -> float | None:
    """Return a number of seconds, None when the variable is unset."""
    given = setting(name)
    if given is None:
        return None
    try:
        return float(given)
    except ValueError:
        raise Usage(f"{name} must be a number of seconds, got {given[:60]!r}") from None
