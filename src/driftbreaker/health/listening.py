"""Do notifications arrive."""

from __future__ import annotations

import time
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from ..refresh.connection import OwnConnection
from ..refresh.listener import DEAF, PONG, can_listen
from ..store import Reader
from ..tables import Tables, default_tables
from .finding import Finding, ok, said_by, skipped, warning

NAME = "notifications"
_ADVICE = "Let switchboards listen past the pooler: listen_on=…; without it they poll, and see changes a second later"


def check_notifications(engine: Engine, tables: Tables | None = None, *, within: float = PONG) -> Finding:
    """Listen on a connection, send from another, and find how long that takes; `within` is in seconds."""
    if not can_listen(engine):
        return skipped(NAME, f"{engine.dialect.name} by {engine.dialect.driver} tells nobody here: switchboards poll")
    ear, mouth = OwnConnection(engine), OwnConnection(engine)
    channel = f"driftbreaker_ping_{uuid4().hex}"
    reader = Reader(tables or default_tables(), None)
    try:
        ear.run(lambda connection: _listen(connection, channel))
        mouth.run(lambda _: None)  # connected before the time is taken
        sent = time.monotonic()
        mouth.run(lambda connection: reader.ping(connection, channel, ""))
        # Gone before we listen: on ours, a pooler might bring the message back with the answer.
        mouth.close()
        heard: bool = ear.run(lambda connection: _hears(connection, within))
        took = time.monotonic() - sent
    except Exception as error:  # noqa: BLE001  psycopg's own errors come past SQLAlchemy here
        said = said_by(error, engine)
        kind = "the database" if isinstance(error, SQLAlchemyError) else "LISTEN"
        return warning(NAME, f"{kind} refused: {said}", "Switchboards poll, and see changes a second later")
    finally:
        ear.close()
        mouth.close()
    if heard:
        return ok(NAME, f"a notification arrives after {took * 1000:.0f} ms")
    return warning(NAME, f"{DEAF} (waited {within:g} s)", _ADVICE)


def _listen(connection: Connection, channel: str) -> None:
    from psycopg import sql

    driver: Any = connection.connection.driver_connection
    driver.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))


def _hears(connection: Connection, within: float) -> bool:
    driver: Any = connection.connection.driver_connection
    return any(True for _ in driver.notifies(timeout=within, stop_after=1))
