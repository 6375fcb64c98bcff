"""The databases that the machine runs on: one for a whole run, emptied between examples."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event

from tests.support.worlds import TABLES


@dataclass(frozen=True)
class Place:
    """The sessions' engine, another one to look on from outside, and what the machine must know of the database.

    `one_writer`: a transaction that writes keeps all others from writing. `savepoints`: they work. `checks_recover`:
    a check writes the recovery of an expired breaker.
    """

    name: str
    engine: Engine
    outside: Engine
    one_writer: bool
    savepoints: bool
    checks_recover: bool

    def dispose(self) -> None:
        self.engine.dispose()
        self.outside.dispose()

    def empty(self) -> None:
        with self.outside.connect() as connection:
            for table in (TABLES.breakers, TABLES.incidents, TABLES.outbox, TABLES.history):
                connection.execute(table.delete())


def postgresql(url: str) -> Place:
    # Nothing may hang: a wait for a lock is a defect here, of the machine or of the breaker.
    engine = create_engine(url, connect_args={"options": "-c lock_timeout=3s -c synchronous_commit=off"})
    return Place("postgresql", engine, _outside(url), one_writer=False, savepoints=True, checks_recover=True)


def sqlite(path: Path, *, real_begin: bool) -> Place:
    """SQLite in WAL, so that others can read while one writes; in the driver's own mode, or with a real BEGIN."""
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": 3})

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=OFF")
        if real_begin:
            connection.isolation_level = None

    if real_begin:

        @event.listens_for(engine, "begin")
        def begin(connection: Any) -> None:
            connection.exec_driver_sql("BEGIN")

    name = "sqlite with a real BEGIN" if real_begin else "sqlite"
    outside = _outside(f"sqlite:///{path}")
    return Place(name, engine, outside, one_writer=True, savepoints=real_begin, checks_recover=False)


def _outside(url: str) -> Engine:
    """Each statement sees what is committed by then."""
    return create_engine(url, isolation_level="AUTOCOMMIT")
