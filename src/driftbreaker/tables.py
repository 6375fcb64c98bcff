"""Where everything is kept: one row per breaker, and beside it incidents, history and the outbox."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Dialect,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    event,
    text,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import ExecutableDDLElement
from sqlalchemy.types import TypeDecorator, TypeEngine

from .checks import MAX_DATABASE_NAME, MAX_NAME, check_database_name
from .clean import to_json
from .errors import InvalidArgumentError
from .model import AlertState, IncidentStatus, Status

SCHEMA_VERSION = 1
# What PostgreSQL does not cut, less the longest of our own names, and some room for later ones.
MAX_PREFIX = 30
_SEQUENCE = BigInteger().with_variant(Integer(), "sqlite")  # only INTEGER counts up by itself there


class UTCDateTime(TypeDecorator[datetime]):
    """An instant in UTC: TIMESTAMPTZ on PostgreSQL, 26 characters of sortable text on SQLite.

    Refuses naive datetimes on the way in and answers aware ones in UTC, whatever the server's time zone is.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Store text where the database has no type for instants."""
        return dialect.type_descriptor(String(26) if dialect.name == "sqlite" else DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Refuse what is naive; render what is not."""
        if value is None:
            return None
        if value.utcoffset() is None:
            raise InvalidArgumentError(f"times must have a time zone, got the naive {value!r}")
        utc = value.astimezone(UTC)
        if dialect.name != "sqlite":
            return utc
        return utc.replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Answer in UTC."""
        if value is None:
            return None
        if isinstance(value, str):
            return datetime.fromisoformat(value).replace(tzinfo=UTC)
        instant: datetime = value
        return instant.astimezone(UTC)


class JSONText(TypeDecorator[Any]):
    """JSON kept as the text we wrote: the host's own JSON settings of its engine neither help nor harm."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """Write JSON."""
        return None if value is None else to_json(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """Read JSON."""
        return None if value is None else json.loads(value)


class Tables:
    """The tables, under a prefix and in a schema of the host's choice.

    `metadata` holds them all: ``tables.metadata.create_all(engine)`` makes what is missing. Installations with
    different prefixes or schemas live in one database without knowing of each other; on SQLite a schema is an attached
    database, and prefixes that differ in case alone are the same. A prefix has at most 30 bytes in UTF-8, a schema 63.
    Raises InvalidArgumentError for others.
    """

    def __init__(self, prefix: str = "driftbreaker_", schema: str | None = None) -> None:
        self.prefix = check_database_name(prefix, "prefix", 0, MAX_PREFIX)
        self.schema = None if schema is None else check_database_name(schema, "schema", 1, MAX_DATABASE_NAME)
        self.metadata = MetaData(schema=self.schema)
        self.breakers = self._breakers()
        self.incidents = self._incidents()
        self.notes = self._notes()
        self.history = self._history()
        self.outbox = self._outbox()
        self.deliveries = self._deliveries()
        self.schema_version = self._schema_version()

    @property
    def channel(self) -> str:
        """What PostgreSQL notifies of changes by: installations that share it wake each other, and no more."""
        return f"{self.prefix}changes"

    def __repr__(self) -> str:
        return f"Tables(prefix={self.prefix!r}, schema={self.schema!r})"

    def _table(self, name: str, *items: Any, **options: Any) -> Table:
        return Table(f"{self.prefix}{name}", self.metadata, *items, **options)

    def _index(self, name: str, *columns: Any, **options: Any) -> Index:
        return Index(f"{self.prefix}{name}", *columns, **options)

    def _breakers(self) -> Table:
        table = self._table(
            "breakers",
            *_key(primary_key=True),
            Column("status", String(16), nullable=False, server_default=Status.CLOSED.value),
            Column("failures", BigInteger, nullable=False, server_default="0"),
            Column("schema_errors", JSONText),  # [[minute since 1970, errors], …] of the last sixty minutes
            Column("last_failure_at", UTCDateTime),
            Column("opened_at", UTCDateTime),
            Column("until", UTCDateTime),
            Column("auto_recover", Boolean, nullable=False, server_default=text("true")),
            Column("reason", Text),
            Column("actor", Text),
            Column("incident_id", String(36)),
            Column("alert_identity", String(64)),
            Column("hold_until", UTCDateTime),
            Column("hold_by", Text),
            Column("hold_reason", Text),
            Column("forced_until", UTCDateTime),
            Column("forced_by", Text),
            Column("forced_reason", Text),
            Column("changed_at", UTCDateTime, nullable=False),
            Column("recovery", String(16), nullable=False, server_default="close"),
            Column("recovery_parameters", JSONText),
            Column("probe", JSONText),
            Column("trip_count", BigInteger, nullable=False, server_default="0"),
            Column("policy_state", JSONText),
            Column("settings", Text),
            Column("settings_hash", String(16)),
            Column("generation", BigInteger, nullable=False, server_default="0"),
            Column("version", BigInteger, nullable=False, server_default="0"),
            CheckConstraint(_one_of("status", Status), name=f"{self.prefix}breakers_status"),
        )
        event.listen(table, "after_create", _RoomOnThePage().execute_if(dialect="postgresql"))
        # Never index a column that a report touches. This one holds the open set, which refreshes read in full.
        open_set = text("status <> 'closed'")
        self._index("breakers_open", table.c.name, table.c.scope, postgresql_where=open_set, sqlite_where=open_set)
        return table

    def _incidents(self) -> Table:
        table = self._table(
            "incidents",
            Column("seq", _SEQUENCE, primary_key=True),
            Column("id", String(36), nullable=False, unique=True),
            *_key(),
            Column("ts", UTCDateTime, nullable=False),
            Column("status", String(16), nullable=False),
            Column("severity", String(8), nullable=False),
            Column("reason", Text, nullable=False),
            Column("drift_score", Float(53), nullable=False),
            Column("sample_count", BigInteger, nullable=False),
            Column("details", JSONText, nullable=False),
            Column("actor", Text, nullable=False),
            Column("until", UTCDateTime),
            Column("generation", BigInteger, nullable=False),
            Column("alert_identity", String(64), nullable=False),
            Column("alert_sent_at", UTCDateTime),
            Column("acknowledged_at", UTCDateTime),
            Column("acknowledged_by", Text),
            Column("assigned_to", Text),
            Column("resolved_at", UTCDateTime),
            Column("resolved_by", Text),
            Column("resolution_notes", Text),
            Column("superseded_by", String(36)),
            CheckConstraint(_one_of("status", IncidentStatus), name=f"{self.prefix}incidents_status"),
        )
        unresolved = text("resolved_at IS NULL")
        self._index("incidents_newest", table.c.name, table.c.scope, table.c.ts.desc(), table.c.seq.desc())
        # The second line behind the guards of the statements: a breaker has one unresolved incident at most.
        self._index(
            "incidents_unresolved",
            table.c.name,
            table.c.scope,
            unique=True,
            postgresql_where=unresolved,
            sqlite_where=unresolved,
        )
        return table

    def _notes(self) -> Table:
        table = self._table(
            "notes",
            Column("seq", _SEQUENCE, primary_key=True),
            Column("incident_id", String(36), nullable=False),
            *_key(),
            Column("at", UTCDateTime, nullable=False),
            Column("actor", Text, nullable=False),
            Column("source", String(16), nullable=False),
            Column("door", String(32), nullable=False),
            Column("body", Text, nullable=False),
        )
        self._index("notes_incident", table.c.incident_id, table.c.seq)
        return table

    def _history(self) -> Table:
        table = self._table(
            "history",
            Column("seq", _SEQUENCE, primary_key=True),
            *_key(),
            Column("at", UTCDateTime, nullable=False),
            Column("change", String(16), nullable=False),
            Column("old_status", String(16), nullable=False),
            Column("new_status", String(16), nullable=False),
            Column("actor", Text, nullable=False),
            Column("actor_kind", String(8), nullable=False),
            Column("reason", Text, nullable=False),
            Column("incident_id", String(36)),
            Column("details", JSONText, nullable=False),
            Column("door", String(32), nullable=False),
            Column("source", String(16), nullable=False),
            Column("generation", BigInteger, nullable=False),
            Column("version", BigInteger, nullable=False),
            Column("number", BigInteger, unique=True),  # set, in order, when the row is sealed
            Column("hash", String(64)),
            sqlite_autoincrement=True,
        )
        self._index("history_newest", table.c.name, table.c.scope, table.c.seq.desc())
        return table

    def _outbox(self) -> Table:
        table = self._table(
            "outbox",
            Column("identity", String(64), primary_key=True),
            *_key(),
            Column("labels", JSONText, nullable=False),
            Column("incident_id", String(36), nullable=False),
            Column("state", String(16), nullable=False),
            Column("starts_at", UTCDateTime, nullable=False),
            Column("ends_at", UTCDateTime),
            Column("runbook_url", Text),
            Column("generator_url", Text),
            Column("version", BigInteger, nullable=False),
            Column("changed_at", UTCDateTime, nullable=False),
            CheckConstraint(_one_of("state", AlertState), name=f"{self.prefix}outbox_state"),
        )
        self._index("outbox_changed", table.c.changed_at)
        return table

    def _deliveries(self) -> Table:
        table = self._table(
            "deliveries",
            Column("identity", String(64), primary_key=True),
            Column("channel", String(MAX_NAME), primary_key=True),
            # The versions of the alert that were last tried and last taken: another one is due by itself.
            Column("version_seen", BigInteger, nullable=False, server_default="0"),
            Column("version_sent", BigInteger, nullable=False, server_default="0"),
            Column("state_sent", String(16)),
            Column("incident_sent", String(36)),
            Column("sends", Integer, nullable=False, server_default="0"),  # of the version that was last taken
            Column("next_at", UTCDateTime),
            Column("attempts", Integer, nullable=False, server_default="0"),
            Column("lease", String(36)),
            Column("lease_until", UTCDateTime),
            Column("first_sent_at", UTCDateTime),
            Column("last_sent_at", UTCDateTime),
            Column("last_error", Text),
            Column("parked_version", BigInteger),
            Column("parked_at", UTCDateTime),
            Column("parked_body", Text),
        )
        due = text("next_at IS NOT NULL")
        self._index("deliveries_due", table.c.channel, table.c.next_at, postgresql_where=due, sqlite_where=due)
        return table

    def _schema_version(self) -> Table:
        return self._table(
            "schema_version",
            Column("version", Integer, primary_key=True, autoincrement=False),
            Column("installed_at", UTCDateTime, nullable=False),
        )


class _RoomOnThePage(ExecutableDDLElement):
    """Leaves room for the next version of a row on its page: counting then touches no index (HOT).

    A statement of its own, for not every supported SQLAlchemy knows the option of CREATE TABLE.
    """


@compiles(_RoomOnThePage)
def _alter_table(element: Any, compiler: Any, **_: Any) -> str:
    return f"ALTER TABLE {compiler.preparer.format_table(element.target)} SET (fillfactor = 70)"


@cache
def default_tables() -> Tables:
    """Return the tables that every door uses unless it is given others."""
    return Tables()


def _key(*, primary_key: bool = False) -> tuple[Column[str], Column[str]]:
    return (
        Column("name", String(MAX_NAME), primary_key=primary_key, nullable=False),
        Column("scope", String(MAX_NAME), primary_key=primary_key, nullable=False, server_default=""),
    )


def _one_of(column: str, words: type[Status] | type[IncidentStatus] | type[AlertState]) -> str:
    return f"{column} IN ({', '.join(repr(word.value) for word in words)})"
