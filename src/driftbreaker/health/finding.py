"""What a check found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import wraps
from typing import Concatenate, ParamSpec

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.orm import Session

from ..clean import clean_text
from ..store import limit_lock_waits
from ..store.passwords import hide_passwords
from ..tables import Tables

P = ParamSpec("P")
MOST = 300
#: How many seconds a check waits for a table that somebody has locked.
PATIENCE = 5.0
_NOT_ALLOWED = "42501"


class Verdict(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at: `told` says in one line what was found, `advice` what to do, if anything."""

    name: str
    verdict: Verdict
    told: str
    advice: str = ""


def ok(name: str, told: str) -> Finding:
    """Return that all is well."""
    return Finding(name=name, verdict=Verdict.OK, told=told)


def warning(name: str, told: str, advice: str) -> Finding:
    """Return what works, and will not always."""
    return Finding(name=name, verdict=Verdict.WARNING, told=told, advice=advice)


def failed(name: str, told: str, advice: str) -> Finding:
    """Return what does not work."""
    return Finding(name=name, verdict=Verdict.FAILED, told=told, advice=advice)


def skipped(name: str, told: str, advice: str = "") -> Finding:
    """Return what could not be looked at, or is nothing here."""
    return Finding(name=name, verdict=Verdict.SKIPPED, told=told, advice=advice)


@contextmanager
def looking(engine: Engine, tables: Tables) -> Iterator[Session]:
    """Yield a session that waits for no table that somebody has locked for long, as a migration does."""
    with Session(engine) as session:
        limit_lock_waits(session.connection(), tables, PATIENCE)
        yield session


def said_by(error: BaseException, engine: Engine) -> str:
    """Return what a database said, on one line and without its password."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    lines = str(cause).strip().splitlines()
    said = lines[0] if lines else type(cause).__name__
    return clean_text(hide_passwords(said, engine.url), MOST)


def on_database(
    name: str, *, denied: Verdict = Verdict.SKIPPED
) -> Callable[[Callable[Concatenate[Engine, P], Finding]], Callable[Concatenate[Engine, P], Finding]]:
    """Turn what the database raises into a finding of this name; `denied` is what it means that a role may not look."""

    def decorate(check: Callable[Concatenate[Engine, P], Finding]) -> Callable[Concatenate[Engine, P], Finding]:
        @wraps(check)
        def checked(engine: Engine, /, *args: P.args, **kwargs: P.kwargs) -> Finding:
            try:
                return check(engine, *args, **kwargs)
            except SQLAlchemyError as error:
                said = said_by(error, engine)
                if isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) == _NOT_ALLOWED:
                    told, advice = f"this role may not look: {said}", "Run it as a role that may"
                    return Finding(name=name, verdict=denied, told=told, advice=advice)
                return failed(name, f"the database refused to tell: {said}", "See to the database first")

        return checked

    return decorate
