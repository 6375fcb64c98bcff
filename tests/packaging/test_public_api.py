"""The public API stands in a file, so that a change of it is seen in review."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SNAPSHOT = Path(__file__).with_name("public_api.txt")
DOORS = (
    "driftbreaker",
    "driftbreaker.alertmanager",
    "driftbreaker.contrib.apprise",
    "driftbreaker.contrib.fastapi",
    "driftbreaker.costsim",
    "driftbreaker.costsim.circuit_breaker",
    "driftbreaker.health",
    "driftbreaker.scores",
    "driftbreaker.shadow",
    "driftbreaker.testing",
)
REWRITE = "DRIFTBREAKER_WRITE_SNAPSHOT"


def described() -> Iterator[str]:
    for door in DOORS:
        for name, found in _named(door):
            yield from _describe(f"{door}.{name}", found)


def _named(door: str) -> list[tuple[str, Any]]:
    module = importlib.import_module(door)
    names = getattr(module, "__all__", None) or [name for name in vars(module) if _is_own(module, name)]
    return [(name, getattr(module, name)) for name in sorted(names)]


def _is_own(module: Any, name: str) -> bool:
    found = getattr(module, name)
    return not name.startswith("_") and getattr(found, "__module__", module.__name__) == module.__name__


def _describe(path: str, found: Any) -> Iterator[str]:
    if inspect.isclass(found):
        yield f"{path}({', '.join(base.__name__ for base in found.__bases__)})"
        for name, kind in _fields(found):
            yield f"{path}.{name}: {kind}"
        for name, member in sorted(_members(found).items()):
            if name == "__init__" or not name.startswith("_"):
                yield from _describe_member(f"{path}.{name}", member)
    elif callable(found):
        yield f"{_kind(found)}{path}{inspect.signature(found)}"
    else:
        yield f"{path}: {type(found).__name__}"


def _fields(found: type) -> list[tuple[str, str]]:
    """Return the fields of a record, dataclass or named tuple, with their types as they are written."""
    if dataclasses.is_dataclass(found):
        return [(field.name, str(field.type)) for field in dataclasses.fields(found)]
    names: tuple[str, ...] = getattr(found, "_fields", ())
    return [(name, found.__annotations__[name].__forward_arg__) for name in names]


def _members(found: type) -> dict[str, Any]:
    """Return what a class has of its own, or from a base of ours that no door names."""
    hidden = [base for base in found.__mro__[1:] if base.__module__.startswith("driftbreaker.") and not _is_named(base)]
    return {name: member for base in (*reversed(hidden), found) for name, member in vars(base).items()}


def _is_named(base: type) -> bool:
    return any(base is found for door in DOORS for _, found in _named(door))


def _describe_member(path: str, member: Any) -> Iterator[str]:
    if isinstance(member, (classmethod, staticmethod)):
        member = member.__func__
    if inspect.isfunction(member):
        yield f"{_kind(member)}{path}{inspect.signature(member)}"
    elif isinstance(member, property):
        yield f"{path}: property"


def _kind(function: Any) -> str:
    return "async " if inspect.iscoroutinefunction(function) else ""


def test_public_api_is_what_the_snapshot_says() -> None:
    # Defaults that are functions print their addresses.
    now = "\n".join(line for line in described() if " at 0x" not in line) + "\n"
    if os.environ.get(REWRITE):
        SNAPSHOT.write_text(now)
    assert now == SNAPSHOT.read_text(), f"the public API changed; if that is meant: {REWRITE}=1 pytest {__file__}"
