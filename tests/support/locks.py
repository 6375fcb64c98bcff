"""Locks that others hold while a command wants to look."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, text

from driftbreaker import metadata

from .terminal import Place


@contextmanager
def locked(place: Place) -> Iterator[Connection]:
    """Hold everything of ours, as a migration may."""
    with place.engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN EXCLUSIVE")
        else:
            tables = ", ".join(table.name for table in metadata.sorted_tables)
            connection.execute(text(f"LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE"))
        yield connection
        connection.rollback()
