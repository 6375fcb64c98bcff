"""All checks of a database, each as soon as it is known."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from sqlalchemy import Engine

from ..statements.health import Job
from ..tables import Tables, default_tables
from .clocks import check_clock
from .database import check_database, check_sqlite, check_transactions
from .finding import Finding, Verdict, skipped
from .grants import check_grants
from .listening import check_notifications
from .outbox import check_outbox, check_relay
from .pooling import check_connect_timeout, check_pooler
from .schema import check_schema


def examine(
    engine: Engine, *, jobs: Collection[Job] = (), tables: Tables | None = None, connect_timeout: int | None = None
) -> Iterator[Finding]:
    """Yield what is found of a database, without writing anything.

    Some seconds at worst, where notifications do not arrive. A database that does not answer is the one finding, and
    without tables nothing is asked of them. `jobs`: what the role is for. `connect_timeout`: what whoever asks put
    into the engine by themselves, if so.
    """
    tables = tables or default_tables()
    reached = check_database(engine)
    yield reached
    if reached.verdict is Verdict.FAILED:
        return
    yield check_transactions(engine, tables)
    schema = check_schema(engine, tables)
    yield schema
    yield from _of_tables(engine, jobs, tables, there=schema.verdict is not Verdict.FAILED)
    yield check_clock(engine, tables)
    yield check_pooler(engine, tables)
    yield check_notifications(engine, tables)
    if engine.dialect.name == "sqlite":
        yield check_sqlite(engine)
    else:
        yield check_connect_timeout(engine, ours=connect_timeout)


def _of_tables(engine: Engine, jobs: Collection[Job], tables: Tables, *, there: bool) -> Iterator[Finding]:
    if not there:
        yield from (skipped(name, "see to the tables first") for name in ("grants", "outbox", "relay"))
        return
    yield check_grants(engine, jobs, tables)
    yield check_outbox(engine, tables)
    yield check_relay(engine, tables)
