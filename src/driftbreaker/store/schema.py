"""The tables as they are beside the tables as this version wants them; and making what is missing."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Connection, Dialect, Index, Table, create_mock_engine, inspect
from sqlalchemy.exc import SAWarning
from sqlalchemy.types import TypeEngine

from ..statements import health, sql_for
from ..tables import SCHEMA_VERSION, Tables

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

# Two names of one type.
_SAME = {"DOUBLE PRECISION(53)": "FLOAT(53)", "DOUBLE PRECISION": "FLOAT(53)"}


@dataclass(frozen=True)
class _Found:
    columns: Mapping[str, Mapping[str, Any]]
    primary_key: tuple[str, ...]
    indexes: Mapping[str, bool]


def differences(session: Session, tables: Tables) -> list[str]:
    """Return how the tables differ from what this version wants, a sentence each; none when all is well.

    Looks at tables, columns with their types, keys, defaults and NOT NULL, and at indexes. Columns of the host's are
    no difference as long as our rows may leave them out. Reads catalogues; locks and writes nothing.
    """
    connection = session.connection()
    there = _reflected(connection, tables)
    return [each for table in _sorted(tables) for each in _of_table(table, there, connection.dialect)]


def installed_version(session: Session, tables: Tables) -> int | None:
    """Return the schema version on record; None where ``metadata.create_all()`` made the tables and wrote none.

    One statement; the tables must be there.
    """
    statement = health.installed(sql_for(tables, session.connection().dialect.name))
    version: int | None = session.connection().execute(statement).scalar_one()
    return version


def create_missing(session: Session, tables: Tables) -> list[str]:
    """Make the tables and indexes that are missing, in the session's transaction; return their names.

    Changes nothing that is there. Writes down the schema version where it makes the table for it.
    """
    connection = session.connection()
    missing = _missing(connection, tables)
    for item in missing:
        item.create(connection)
    if tables.schema_version in missing:
        statement = health.install(sql_for(tables, connection.dialect.name))
        connection.execute(statement, {"p_version": SCHEMA_VERSION})
    return [str(item.name) for item in missing]


def names_of_missing(session: Session, tables: Tables) -> list[str]:
    """Return the names of what `create_missing` would make. Makes nothing."""
    return [str(item.name) for item in _missing(session.connection(), tables)]


def statements_for_missing(session: Session, tables: Tables) -> list[str]:
    """Return what `create_missing` would send to make tables and indexes, as text. Makes nothing."""
    connection = session.connection()
    written: list[str] = []

    def write(statement: Any, *_: object, **__: object) -> None:
        written.append(str(statement.compile(dialect=connection.dialect)).strip() + ";")

    mock = create_mock_engine(connection.engine.url, write)
    for item in _missing(connection, tables):
        item.create(mock, checkfirst=False)
    return written


def _missing(connection: Connection, tables: Tables) -> list[Table | Index]:
    there = _reflected(connection, tables)
    found: list[Table | Index] = [table for table in _sorted(tables) if table.name not in there]
    for table in _sorted(tables):
        if table.name in there:
            found += [index for index in _indexes(table) if index.name not in there[table.name].indexes]
    return found


def _sorted(tables: Tables) -> list[Table]:
    return sorted(tables.metadata.tables.values(), key=lambda table: table.name)


def _indexes(table: Table) -> list[Index]:
    return sorted(table.indexes, key=lambda index: str(index.name))


def _reflected(connection: Connection, tables: Tables) -> dict[str, _Found]:
    translated = connection.get_execution_options().get("schema_translate_map") or {}
    schema = translated.get(tables.schema, tables.schema)
    wanted = [table.name for table in _sorted(tables)]
    with warnings.catch_warnings():
        # An index of the host's that SQLAlchemy cannot read is none of ours.
        warnings.simplefilter("ignore", SAWarning)
        inspector = inspect(connection)
        columns = inspector.get_multi_columns(schema, filter_names=wanted)
        keys = inspector.get_multi_pk_constraint(schema, filter_names=wanted)
        indexes = inspector.get_multi_indexes(schema, filter_names=wanted)
    return {
        name: _Found(
            columns={column["name"]: column for column in found},
            primary_key=tuple(keys[schema_, name]["constrained_columns"]),
            indexes={str(index["name"]): bool(index["unique"]) for index in indexes[schema_, name]},
        )
        for (schema_, name), found in columns.items()
    }


def _of_table(table: Table, there: Mapping[str, _Found], dialect: Dialect) -> Iterator[str]:
    found = there.get(table.name)
    if found is None:
        yield f"the table {table.name} is missing"
        return
    for column in table.columns:
        yield from _of_column(column, found.columns.get(column.name), dialect)
    for name, column_found in found.columns.items():
        if name not in table.columns and not column_found["nullable"] and column_found["default"] is None:
            yield f"{table.name}.{name} is none of ours, and our rows cannot leave it out: it is NOT NULL"
    if found.primary_key != tuple(column.name for column in table.primary_key):
        yield f"the primary key of {table.name} is ({', '.join(found.primary_key)}), not ours"
    for index in _indexes(table):
        if index.name not in found.indexes:
            yield f"the index {index.name} is missing"
        elif found.indexes[str(index.name)] is not bool(index.unique):
            yield f"the index {index.name} is {'not ' if index.unique else ''}unique"


def _of_column(column: Column[Any], found: Mapping[str, Any] | None, dialect: Dialect) -> Iterator[str]:
    called = f"{column.table.name}.{column.name}"
    if found is None:
        yield f"the column {called} is missing"
        return
    wanted, is_ = _type(column.type, dialect), _type(found["type"], dialect)
    if wanted != is_:
        yield f"{called} is {is_}, and should be {wanted}"
    if bool(found["nullable"]) is not bool(column.nullable) and not column.primary_key:
        yield f"{called} is {'NULL' if found['nullable'] else 'NOT NULL'}, and should not be"
    if column.server_default is not None and found["default"] is None:
        yield f"{called} has lost its default"


def _type(type_: TypeEngine[Any], dialect: Dialect) -> str:
    written = type_.compile(dialect=dialect).upper()
    return _SAME.get(written, written)
