"""What stands between us and the server, and how long we would wait for neither."""

from __future__ import annotations

import os
from contextlib import suppress

from sqlalchemy import Connection, Engine
from sqlalchemy.orm import Session

from ..refresh.connection import own_engine
from ..store import health as asked
from ..tables import Tables, default_tables
from .finding import Finding, ok, on_database, skipped, warning

_LOOKS = 3
_LEARN = "and let switchboards listen past the pooler: listen_on=…"


@on_database("pooler")
def check_pooler(engine: Engine, tables: Tables | None = None) -> Finding:
    """Find a pooler in transaction mode by what it does: two clients share one session of the server's.

    The first looks which one it has; the second keeps one in a transaction; the first looks again. A busy pooler may
    by chance answer as none would, so they look several times; `check_notifications` would find it out as well.
    """
    tables = tables or default_tables()
    if engine.dialect.name != "postgresql":
        return skipped("pooler", "nothing stands between")
    # An engine each: the host's pool may be made for one connection.
    engines = [own_engine(engine).execution_options(isolation_level="READ COMMITTED") for _ in range(2)]
    try:
        with engines[0].connect() as here, engines[1].connect() as there, Session(here) as one, Session(there) as other:
            shares = any(_share(one, other, tables) for _ in range(_LOOKS))
            threshold = _prepares(here)
    finally:
        for each in engines:
            each.dispose()
    if not shares:
        return ok("pooler", "none that shares sessions")
    told = "a pooler in transaction mode: LISTEN, SET and prepared statements are lost between transactions"
    if engine.dialect.driver == "psycopg" and threshold is None:
        return ok("pooler", "one in transaction mode, and psycopg prepares nothing: well set")
    if engine.dialect.driver == "psycopg":
        return warning(
            "pooler",
            f"{told}; psycopg prepares what it has sent {threshold} times",
            f"create_engine(…, connect_args={{'prepare_threshold': None}}), {_LEARN}",
        )
    return warning("pooler", told, f"See what your driver prepares, {_LEARN}")


@on_database("connect timeout")
def check_connect_timeout(engine: Engine, *, ours: int | None = None) -> Finding:
    """Find whether connecting to a server that is silent ends in time. `ours`: what whoever asks put in, if so."""
    name = "connect timeout"
    if engine.dialect.name != "postgresql":
        return skipped(name, "there is nobody to wait for")
    if "connect_timeout" in engine.url.query:
        return ok(name, f"{engine.url.query['connect_timeout']} s, by the URL")
    if os.environ.get("PGCONNECT_TIMEOUT"):
        return ok(name, f"{os.environ['PGCONNECT_TIMEOUT']} s, by PGCONNECT_TIMEOUT")
    with Session(engine) as session:
        given = _parameters(session.connection()).get("connect_timeout")
    if given is not None and given != str(ours):
        return ok(name, f"{given} s, by connect_args")
    return warning(
        name,
        "none: a server that is silent keeps whoever connects for minutes",
        "Add ?connect_timeout=10 to the URL, or set PGCONNECT_TIMEOUT",
    )


def _share(one: Session, other: Session, tables: Tables) -> bool:
    """Return whether two clients were seen to share a session, or one to change its own."""
    before = asked.backend(one, tables)
    one.rollback()
    kept = asked.backend(other, tables)
    after = asked.backend(one, tables)
    one.rollback()
    other.rollback()
    return before != after or kept == before


def _prepares(connection: Connection) -> int | None:
    threshold: int | None = getattr(connection.connection.driver_connection, "prepare_threshold", None)
    return threshold


def _parameters(connection: Connection) -> dict[str, str]:
    with suppress(AttributeError):
        return dict(connection.connection.driver_connection.info.get_parameters())  # type: ignore[union-attr]
    return {}
