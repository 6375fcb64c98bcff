"""The sentence of ours that a database's error carries to whoever reads the traceback."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError, PendingRollbackError, SQLAlchemyError, UnboundExecutionError

from ..model import Key
from ..tables import Tables, default_tables

_RETRYABLE = {"40001", "40P01"}
_MISSING = {"42P01", "3F000"}
_GONE = "The database has rolled the whole transaction back, with all that was written before: roll back, then retry."
_NO_CONNECTION = "The session could not give a connection: nothing was sent."
_SQLALCHEMYS_OWN = "This failed in SQLAlchemy and not in the database."


def note_on(
    error: SQLAlchemyError, operation: str, key: Key, tables: Tables, dialect: str | None, *, gone: bool
) -> str:
    """Say what failed, on which breaker, whether the transaction is still usable (or `gone`), and what to do."""
    advice = _GONE if gone else _advice(error, tables, dialect)
    return f"driftbreaker: {operation} on breaker {key} failed. {advice}"


def _advice(error: SQLAlchemyError, tables: Tables, dialect: str | None) -> str:
    if isinstance(error, UnboundExecutionError):
        return "The session is bound to no engine: nothing was sent. Bind it, e.g. Session(engine)."
    if isinstance(error, PendingRollbackError):
        return "The transaction had failed before this call: roll it back, then retry."
    if not isinstance(error, DBAPIError):
        return _NO_CONNECTION if dialect is None else _SQLALCHEMYS_OWN
    if error.connection_invalidated:
        return "The connection is lost, and with it the transaction: nothing of it was written. Roll back and retry."
    if dialect is None:
        return _NO_CONNECTION
    return " ".join((*missing_tables(error, tables), _state_of_transaction(error, dialect)))


def missing_tables(error: SQLAlchemyError, tables: Tables) -> tuple[str, ...]:
    """Return the sentence with the line that creates our tables, if it is them that are missing."""
    if not isinstance(error, DBAPIError):
        return ()
    said = str(error.orig)
    if _sqlstate(error) not in _MISSING and "no such table" not in said:
        return ()
    # A trigger of the host's may miss a table of the host's.
    if not any(table.name in said for table in tables.metadata.tables.values()):
        return ()
    if tables is default_tables():
        return ("The tables do not exist; this line creates them: driftbreaker.metadata.create_all(engine).",)
    return (f"The tables do not exist; this line creates them: {tables!r}.metadata.create_all(engine).",)


def _state_of_transaction(error: DBAPIError, dialect: str | None) -> str:
    if dialect == "postgresql":
        retry = ", then retry it" if _sqlstate(error) in _RETRYABLE else ""
        return f"The transaction is aborted and nothing of it can be committed: roll it back{retry}."
    return "The transaction is still usable, and this statement changed nothing."


def _sqlstate(error: DBAPIError) -> str | None:
    return getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)
