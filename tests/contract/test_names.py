"""Installations under any prefix and in any schema do not know of each other, and breakers may be called anything."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy
from sqlalchemy import create_engine, inspect, select, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.schema import CreateSchema

from driftbreaker import InvalidArgumentError, Tables
from driftbreaker.tables import default_tables
from tests.contract.steps import BAD, GOOD, trip
from tests.contract.test_database_errors import OPERATIONS
from tests.support.worlds import World

AHEAD = datetime.now(UTC) + timedelta(hours=1)
PAST = datetime.now(UTC) - timedelta(hours=1)

# What quoting, escaping or formatting may trip over, between the host, SQLAlchemy, the driver and the database.
AWKWARD = (
    'quo"te_',
    "'; drop table x --",
    "ünïcödé_",
    "日本語の表_",
    "UPPER_",
    "select",
    "two words ",
    "100%_",
    "%s%(name)s%%",
    "a:b:name_",
    "back\\slash_",
    "dot.ted.",
    "$1_{0}_[x]",
    "é" * 15,
    "x" * 30,
    "",
)

SQLALCHEMY = tuple(int(part) for part in sqlalchemy.__version__.split(".")[:2])

# What a driver, not the database, escapes.
ESCAPED = ('quo"te_', "100%_", "%s%(name)s%%", "a:b:name_", "$1_{0}_[x]")


def install(world: World, *installations: Tables) -> None:
    """Make installations beside the one under the usual names."""
    with world.outside.begin() as connection:
        for schema in sorted({tables.schema for tables in installations if tables.schema is not None}):
            connection.execute(CreateSchema(schema, if_not_exists=True))
    for tables in installations:
        tables.metadata.create_all(world.outside)


def counts(world: World, tables: Tables) -> tuple[int, ...]:
    with world.outside.connect() as connection:
        each = (tables.breakers, tables.incidents, tables.outbox, tables.history)
        return tuple(len(connection.execute(select(table)).all()) for table in each)


def operate(world: World, tables: Tables) -> None:
    """Every operation once, and a trip, a recovery and a late report."""
    with world.session() as session:
        breaker = world.breaker(session, tables=tables, scope="eu")
        for call in OPERATIONS.values():
            call(breaker)
        trip(world.breaker(session, "tripped", tables=tables))
        world.breaker(session, "expired", tables=tables).disable("over", actor="alice", until=PAST)
        world.breaker(session, "expired", tables=tables).report_drift(GOOD)
        world.breaker(session, "late", tables=tables, when="commit").report_drift(BAD)
        session.commit()
    with world.session() as session:
        assert world.breaker(session, "tripped", tables=tables).get_state().trip_count == 1
        assert world.breaker(session, "late", tables=tables).get_state().consecutive_failures == 1
        assert [each.resolved for each in world.breaker(session, "expired", tables=tables).get_incidents(True)] == [
            True
        ]


def test_prefixes_keep_installations_apart(world: World) -> None:
    one, other = Tables("one_"), Tables("two_")
    install(world, one, other)
    operate(world, one)
    assert counts(world, other) == (0, 0, 0, 0)
    operate(world, other)
    assert counts(world, one) == counts(world, other)
    assert world.count("breakers") == 0


def tried(world: World) -> tuple[str, ...]:
    """What drivers escape is tried on each of them; what the database quotes, on one driver of each database."""
    names = ESCAPED if world.is_async else AWKWARD
    # SQLAlchemy 2.0 takes what looks like a parameter in a table's name for one: an error, and nothing is written.
    return tuple(name for name in names if "%(" not in name or SQLALCHEMY >= (2, 1))


def test_awkward_prefixes_serve(world: World) -> None:
    for prefix in tried(world):
        tables = Tables(prefix)
        install(world, tables)
        operate(world, tables)
        assert counts(world, default_tables()) == (0, 0, 0, 0), prefix


def test_awkward_schemas_serve_and_checks_in_them_put_recoveries_on_record(postgres_world: World) -> None:
    """Whether a check may write is asked by the tables' names."""
    world = postgres_world
    for name in tried(world):
        here, there = Tables(name), Tables(name, f"in {name}")
        install(world, here, there)
        operate(world, there)
        assert counts(world, here) == (0, 0, 0, 0), name
        assert world.count("breakers") == 0, name
        assert [checked_recovery(world, tables) for tables in (here, there)] == ["closed", "closed"], name


def checked_recovery(world: World, tables: Tables) -> str:
    with world.committed("checked", tables=tables) as breaker:
        breaker.disable("over", actor="alice", until=PAST)
    with world.committed("checked", tables=tables) as breaker:
        assert breaker.is_disabled() is False
    b = tables.breakers.c
    with world.outside.connect() as connection:
        return str(connection.execute(select(b.status).where(b.name == "checked")).scalar_one())


@pytest.mark.parametrize("schema", [None, "made up"])
def test_a_schema_translate_map_of_the_engine_is_followed(postgres_world: World, schema: str | None) -> None:
    world, there = postgres_world, Tables(schema="ten%'\"ant")
    asked = default_tables() if schema is None else Tables(schema=schema)
    translated = world.engine.execution_options(schema_translate_map={schema: there.schema})
    install(world, there)
    with world.session(bind=translated) as session:
        breaker = world.breaker(session, tables=asked)
        for call in OPERATIONS.values():
            call(breaker)
        world.breaker(session, "expired", tables=asked).disable("over", actor="alice", until=PAST)
        session.commit()
        assert world.breaker(session, "expired", tables=asked).is_disabled() is False
        session.commit()
    assert world.count("breakers") == 0
    with world.outside.connect() as connection:
        rows = connection.execute(select(there.breakers.c.name, there.breakers.c.status)).all()
    assert dict(rows) == {"pricing": "closed", "expired": "closed"}


def test_a_translated_check_asks_about_the_tables_that_it_would_write(postgres_world: World) -> None:
    """Granted on the untranslated tables, it must not try to write on the translated ones."""
    world, there = postgres_world, Tables(schema="tenant")
    role = f"reader_{world.url.rsplit('_', 1)[-1]}"
    translated = world.engine.execution_options(schema_translate_map={None: "tenant"})
    install(world, there)
    with world.committed(tables=there) as breaker:
        breaker.disable("over", actor="alice", until=PAST)
    with world.session(bind=translated) as session:
        session.execute(text(f'CREATE ROLE "{role}"'))
        session.execute(text(f'GRANT ALL ON ALL TABLES IN SCHEMA public TO "{role}"'))
        session.execute(text(f'GRANT USAGE ON SCHEMA tenant TO "{role}"'))
        session.execute(text(f'GRANT SELECT ON ALL TABLES IN SCHEMA tenant TO "{role}"'))
        session.execute(text(f'SET LOCAL ROLE "{role}"'))
        assert world.breaker(session).is_disabled() is False
        session.rollback()


def test_a_translate_map_of_sqlite_is_followed(sqlite_world: World) -> None:
    world = sqlite_world
    translated = world.engine.execution_options(schema_translate_map={"made up": "main"})
    with world.session(bind=translated) as session:
        breaker = world.breaker(session, tables=Tables(schema="made up"))
        for call in OPERATIONS.values():
            call(breaker)
        session.commit()
    assert world.row()["status"] == "closed"


@pytest.mark.parametrize(
    "prefix",
    ["é" * 15 + "x", "x" * 31, "日" * 11, "a\x00b", "a\udc80", None, 7, b"x"],
    ids=lambda value: repr(value)[:9],
)
def test_prefixes_that_the_databases_would_cut_or_refuse_are_refused(prefix: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="prefix must be text of 0 to 30 bytes in UTF-8"):
        Tables(prefix)


@pytest.mark.parametrize("schema", ["", "é" * 31 + "xx", "x" * 64, "a\x00b", "a\udc80", 7, b"x"], ids=ascii)
def test_schemas_that_cannot_be_are_refused(schema: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="schema must be text of 1 to 63 bytes in UTF-8"):
        Tables(schema=schema)


@pytest.mark.parametrize("prefix", ["x" * 30, "日" * 10, "\N{PILE OF POO}" * 7])
def test_no_name_is_long_enough_to_be_cut(postgres_url: str, prefix: str) -> None:
    tables = Tables(prefix, "é" * 31)
    engine = create_engine(postgres_url)
    with engine.begin() as connection:
        connection.execute(CreateSchema(tables.schema or ""))
    tables.metadata.create_all(engine)
    found = inspect(engine)
    for table in tables.metadata.tables.values():
        assert found.has_table(table.name, tables.schema)
        indexes = {index["name"] for index in found.get_indexes(table.name, tables.schema)}
        assert {index.name for index in table.indexes} <= indexes
        checks = {check["name"] for check in found.get_check_constraints(table.name, tables.schema)}
        assert checks == {each.name for each in table.constraints if str(each.name or "").endswith("_status")} | {
            each.name for each in table.constraints if str(each.name or "").endswith("_state")
        }
    engine.dispose()


def test_no_two_prefixes_make_one_name() -> None:
    """Only if one of our names ended in another could two prefixes meet in it."""
    names = set()
    for table in Tables("").metadata.tables.values():
        names |= {table.name, f"{table.name}_pkey", *(str(index.name) for index in table.indexes)}
        names |= {str(each.name) for each in table.constraints if each.name}
        names |= {f"{table.name}_{c.name}_{suffix}" for c in table.columns for suffix in ("key", "seq")}
    assert not [(one, other) for one in names for other in names if one != other and one.endswith(other)]


NAMES = (
    "o'brien",
    'say "hi"',
    "100%",
    "%s %(p_name)s %%",
    ":p_name",
    "a\\b\\",
    "per_cent%_",
    "\N{PILE OF POO}" * 200,
    "ﬁ\u202e\u200d\ufeff",
    "e\u0301",
    "é",
    " leading and trailing ",
    "line\nbreak\ttab\r",
    "\x7f\x01",
    "x" * 200,
    "CASE",
    "case",
    "'; DROP TABLE driftbreaker_breakers; --",
    "{0} {name} $1 ?",
)


def test_breakers_may_be_called_anything_and_stay_apart(world: World) -> None:
    for name in NAMES:
        with world.session() as session:
            trip(world.breaker(session, name, scope=name))
            session.commit()
    for name in NAMES:
        with world.session() as session:
            breaker = world.breaker(session, name, scope=name)
            (incident,) = breaker.get_incidents()
            (entry,) = breaker.get_history()
            state = breaker.get_state()
            for record in (incident, entry, state):
                assert (record.name, record.scope) == (name, name)
            assert world.breaker(session, name).is_disabled() is False, "the whole is another breaker"
            assert breaker.enable(name, actor=name[:200]) is True
            session.commit()
    assert sorted(row["name"] for row in world.rows("breakers")) == sorted(NAMES)
    labels = [row["labels"] for row in world.rows("outbox")]
    assert sorted(each["circuit_breaker"] for each in labels) == sorted(NAMES)
    assert all(each["scope"] == each["circuit_breaker"] for each in labels)


def test_actors_and_reasons_may_be_anything(world: World) -> None:
    for name in NAMES:
        with world.committed(name) as breaker:
            changed, incident = breaker.disable(name, actor=name)
            assert changed
            assert incident.reason == name
            assert breaker.disable(name, actor="another") == (False, None), "the same reason is the same"
            breaker.hold(name, actor=name, until=AHEAD)
            state = breaker.get_state()
            assert (state.reason, state.disabled_by, state.held_by, state.held_reason) == (name,) * 4
            breaker.enable(name, actor=name)
            (resolved,) = breaker.get_incidents(include_resolved=True)
            assert (resolved.resolved_by, resolved.resolution_notes) == (name, name)
            assert {(each.actor, each.reason) for each in breaker.get_history()} == {(name, name)}


def test_a_name_with_wildcards_names_one_breaker(world: World) -> None:
    for name in ("pricing", "pricings", "p%", "_ricing", "pricing%"):
        with world.committed(name) as breaker:
            breaker.report_drift(BAD)
    with world.committed("p%") as breaker:
        trip_rest = [breaker.report_drift(BAD) for _ in range(2)]
        assert trip_rest[-1] is not None
    assert [row["name"] for row in world.rows("breakers") if row["status"] == "open"] == ["p%"]


def test_the_engine_may_be_asynchronous_and_translated(postgres_world: World) -> None:
    """The map may also be given to one connection."""
    world, there = postgres_world, Tables(schema="tenant")
    make = create_async_engine if world.is_async else create_engine
    engine = make(world.url)
    install(world, there)
    with world.session(bind=engine) as session:
        session.connection(execution_options={"schema_translate_map": {None: "tenant"}})
        trip(world.breaker(session))
        session.commit()
        assert counts(world, there) == (1, 1, 1, 1)
    world.call(engine.dispose)
