"""Whether the tables are as wanted is read from the database, and making what is missing leaves nothing to say."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, create_engine, inspect, text
from sqlalchemy.orm import Session

import driftbreaker
from driftbreaker import CircuitBreaker, Tables
from driftbreaker.health import Verdict, check_schema, schema_differences
from driftbreaker.store import schema as store
from driftbreaker.tables import SCHEMA_VERSION, default_tables
from tests.support.roles import role

TABLES = default_tables()
NAMES = sorted(table.name for table in TABLES.metadata.tables.values())


def change(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def created(engine: Engine) -> list[str]:
    with Session(engine) as session, session.begin():
        return store.create_missing(session, TABLES)


def test_what_metadata_makes_is_as_wanted(empty: Engine) -> None:
    driftbreaker.metadata.create_all(empty)
    assert schema_differences(empty) == []


def test_an_empty_database_lacks_every_table(empty: Engine) -> None:
    assert schema_differences(empty) == [f"the table {name} is missing" for name in NAMES]
    finding = check_schema(empty)
    assert finding.verdict is Verdict.FAILED
    assert finding.told.endswith("and 4 more")
    assert "driftbreaker schema create" in finding.advice


def test_what_create_makes_is_as_wanted_and_carries_its_version(empty: Engine) -> None:
    assert created(empty) == NAMES
    assert schema_differences(empty) == []
    with Session(empty) as session:
        assert store.installed_version(session, TABLES) == SCHEMA_VERSION
    assert created(empty) == []


def test_create_makes_what_is_missing_and_keeps_what_is_there(engine: Engine) -> None:
    with Session(engine) as session, session.begin():
        CircuitBreaker(session, "pricing").disable("kept", actor="alice")
    change(engine, "DROP TABLE driftbreaker_notes", "DROP INDEX driftbreaker_incidents_unresolved")
    assert schema_differences(engine) == [
        "the index driftbreaker_incidents_unresolved is missing",
        "the table driftbreaker_notes is missing",
    ]
    assert created(engine) == ["driftbreaker_notes", "driftbreaker_incidents_unresolved"]
    assert schema_differences(engine) == []
    with Session(engine) as session:
        assert CircuitBreaker(session, "pricing").is_disabled()


def test_the_statements_make_what_create_makes(empty: Engine) -> None:
    with Session(empty) as session:
        written = store.statements_for_missing(session, TABLES)
    assert not inspect(empty).get_table_names(), "printing makes nothing"
    change(empty, *written)
    assert schema_differences(empty) == []
    if empty.dialect.name == "postgresql":
        with empty.connect() as connection:
            room = text("SELECT reloptions FROM pg_class WHERE relname = 'driftbreaker_breakers'")
            assert connection.execute(room).scalar_one() == ["fillfactor=70"]


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("ALTER TABLE {} DROP COLUMN forced_by", "the column {}.forced_by is missing"),
        ("ALTER TABLE {} ALTER reason TYPE varchar(9)", "{}.reason is VARCHAR(9), and should be TEXT"),
        ("ALTER TABLE {} ALTER actor SET NOT NULL", "{}.actor is NOT NULL, and should not be"),
        ("ALTER TABLE {} ALTER changed_at DROP NOT NULL", "{}.changed_at is NULL, and should not be"),
        ("ALTER TABLE {} ALTER failures DROP DEFAULT", "{}.failures has lost its default"),
        ("ALTER TABLE {} DROP CONSTRAINT {}_pkey", "the primary key of {} is (), not ours"),
        (
            "ALTER TABLE {} ADD mine int NOT NULL",
            "{}.mine is none of ours, and our rows cannot leave it out: it is NOT NULL",
        ),
    ],
    ids=["column", "type", "not-null", "null", "default", "key", "theirs"],
)
def test_each_difference_is_said(postgres_engine: Engine, statement: str, told: str) -> None:
    table = "driftbreaker_breakers"
    change(postgres_engine, statement.format(table, table))
    assert schema_differences(postgres_engine) == [told.format(table)]


def test_an_index_that_should_be_unique_is_said(engine: Engine) -> None:
    name = "driftbreaker_incidents_unresolved"
    change(engine, f"DROP INDEX {name}", f"CREATE INDEX {name} ON driftbreaker_incidents (name, scope)")
    assert schema_differences(engine) == [f"the index {name} is not unique"]


def test_columns_and_indexes_of_the_hosts_are_none_of_our_business(engine: Engine) -> None:
    change(
        engine,
        "ALTER TABLE driftbreaker_breakers ADD COLUMN team text",
        "ALTER TABLE driftbreaker_breakers ADD COLUMN cost integer DEFAULT 0 NOT NULL",
        "CREATE INDEX theirs ON driftbreaker_history (lower(actor))",
    )
    assert schema_differences(engine) == []


def test_tables_of_another_version_are_said(engine: Engine) -> None:
    change(engine, "INSERT INTO driftbreaker_schema_version VALUES (7, '2026-11-23 00:00:00')")
    assert schema_differences(engine) == ["the tables are of version 7, and this driftbreaker wants 1"]


def test_a_role_that_may_not_read_the_version_still_hears_of_the_tables(postgres_url: str) -> None:
    with role(postgres_url, []) as as_role:
        engine = create_engine(as_role)
        assert schema_differences(engine) == []
        engine.dispose()


def test_tables_of_ones_own_choice(engine: Engine) -> None:
    mine = Tables(prefix="mine_")
    assert schema_differences(engine, mine)[0] == "the table mine_breakers is missing"
    mine.metadata.create_all(engine)
    assert schema_differences(engine, mine) == []
