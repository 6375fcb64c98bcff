"""Which breaker is meant, or one sentence that helps to find it."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from driftbreaker import store
from driftbreaker.checks import check_key
from driftbreaker.cli.exits import NotFound, Usage
from driftbreaker.errors import InvalidArgumentError

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.orm import Session

    from driftbreaker.cli.engine import Database
    from driftbreaker.store import Overview


def found(session: Session, database: Database, name: str, scope: str | None) -> list[Overview]:
    """Return a name's rows, or the one of a scope. Raises NotFound, with a name that may have been meant."""
    try:
        key = check_key(name, scope or "")
    except InvalidArgumentError as error:
        raise Usage(str(error)) from None
    rows = store.breakers_named(session, database.tables, key.name)
    if not rows:
        raise NotFound(f"no breaker is called {name!r}: {_hint(session, database, name)}")
    if scope is None:
        return rows
    of_scope = [row for row in rows if row.state.scope == scope]
    if not of_scope:
        scopes = ", ".join(repr(row.state.scope) for row in rows[:5] if row.state.scope) or "none"
        raise NotFound(f"the breaker {name!r} has no scope {scope!r}; it has: {scopes}")
    return of_scope


def near(at: Session | Connection, database: Database, name: str) -> str | None:
    """Return a name on record that may have been meant."""
    return next(iter(get_close_matches(name, store.names_near(at, database.tables, name), n=1)), None)


def _hint(session: Session, database: Database, name: str) -> str:
    found = near(session, database, name)
    return "driftbreaker list shows what there is" if found is None else f"did you mean {found!r}?"
