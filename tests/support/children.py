"""Processes that are forked from one that has everything imported: hundreds of them must be there within seconds.

Their environment variables are those of the moment when the first of them was started: give a child what it needs as
arguments.
"""

from __future__ import annotations

from multiprocessing import get_context

CHILDREN = get_context("forkserver")
_IMPORTED = ["pytest", "psycopg", "asyncpg", "aiosqlite", "tests.support.worlds"]
CHILDREN.set_forkserver_preload(_IMPORTED)


def import_before_forking(*modules: str) -> None:
    """Have these imported too, before any child is there; say so where a module is imported, not in a test."""
    _IMPORTED.extend(modules)
    CHILDREN.set_forkserver_preload(_IMPORTED)
