"""The crowd and the databases of the concurrency tests."""

from __future__ import annotations

from tests.concurrency.conftest import crowd, place, world

__all__ = ["crowd", "place", "world"]
