"""The tables, the clock and one session: what every step of a relay runs its statements with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import CursorResult, Executable
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from ..checks import check_instant
from ..clock import Clock
from ..statements import Sql, sql_for
from ..store import missing_tables
from ..tables import Tables


@dataclass(frozen=True)
class Ledger:
    """Where deliveries are written down, by which clock, and whether recoveries wake switchboards."""

    tables: Tables
    clock: Clock | None = None
    notify: bool = True

    def sql(self, session: Session) -> Sql:
        """Return the statements' dialect for a session's database."""
        return sql_for(self.tables, session.connection().dialect.name, clocked=self.clock is not None)

    def run(self, session: Session, statement: Executable, **values: Any) -> CursorResult[Any]:
        """Run one statement; each value binds the parameter of its name, the time is given."""
        with self._explained():
            return session.connection().execute(statement, self._bound(values))

    def run_each(self, session: Session, statement: Executable, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run one statement for each of some rows; nothing for none."""
        if not rows:
            return
        with self._explained():
            session.connection().execute(statement, [self._bound(row) for row in rows])

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Say in the database's error what to do, where we know."""
        try:
            yield
        except SQLAlchemyError as error:
            for sentence in missing_tables(error, self.tables):
                error.add_note(f"driftbreaker: {sentence}")
            raise

    def _bound(self, values: Mapping[str, Any]) -> dict[str, Any]:
        bound = {f"p_{name}": value for name, value in values.items()}
        if self.clock is not None:
            bound["p_now"] = check_instant(self.clock.now(), "the clock's now()")
        return bound
