"""What SQLite and PostgreSQL say differently, and nothing else."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Float,
    String,
    Table,
    and_,
    bindparam,
    cast,
    extract,
    false,
    func,
    literal_column,
    text,
    true,
    type_coerce,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.types import BigInteger, TypeEngine

from ..errors import UnsupportedDatabaseError
from ..tables import Tables, UTCDateTime

COUNT = BigInteger()
NOW = bindparam("p_now", type_=UTCDateTime)


def value(column: Column[Any], name: str | None = None) -> ColumnElement[Any]:
    """Return the parameter that binds a value of `column`: ``p_`` and its name."""
    return bindparam(f"p_{name or column.name}", type_=column.type)


def parameter(name: str, type_: TypeEngine[Any]) -> ColumnElement[Any]:
    """Return a parameter that belongs to no column."""
    return bindparam(f"p_{name}", type_=type_)


def word(constant: StrEnum) -> ColumnElement[Any]:
    """Return one of our own words as text of the statement: a parameter would be converted and sent each time."""
    return literal_column(f"'{constant.value}'", String())


def constant(text_: str) -> ColumnElement[Any]:
    """Return a text that never changes as a literal of the statement."""
    quoted = text_.replace("'", "''")
    return literal_column(f"'{quoted}'", String())


def values_of(table: Table, *left_out: str) -> dict[str, ColumnElement[Any]]:
    """Return a parameter for every column of `table` but those that the database fills in."""
    return {column.name: value(column) for column in table.columns if column.name not in left_out}


class Sql(ABC):
    """The tables, the expression for "now", and the dialect's own words.

    `now` is the database's clock, or the parameter ``p_now`` where a test brings a clock of its own.
    """

    now: ColumnElement[Any]
    #: Whether one statement may write several tables, and an UPDATE of no row costs nothing. Otherwise even that takes
    #: the one write lock until the caller commits.
    writes_in_one_statement: bool
    #: Whether there is SELECT … FOR UPDATE. Where there is none, SQLAlchemy leaves it out.
    locks_rows: bool
    #: Whether an error aborts the transaction. Where it does not, half an operation could be committed.
    aborts_on_error: bool

    def __init__(self, tables: Tables, *, clocked: bool) -> None:
        self.tables = tables
        self.now = NOW if clocked else self._database_now()

    @abstractmethod
    def _database_now(self) -> ColumnElement[Any]: ...

    @abstractmethod
    def greatest(self, one: ColumnElement[Any], other: ColumnElement[Any]) -> ColumnElement[Any]:
        """Return the greater of two values; of instants, the later."""

    @abstractmethod
    def later(self, instant: ColumnElement[Any], milliseconds: ColumnElement[Any]) -> ColumnElement[Any]:
        """Return `instant` plus a number of milliseconds >= 0; no end (NULL) when there are none."""

    @abstractmethod
    def earlier(self, instant: ColumnElement[Any], seconds: int) -> ColumnElement[Any]:
        """Return `instant` less a number of whole seconds."""

    @abstractmethod
    def seconds_until(self, instant: ColumnElement[Any]) -> ColumnElement[Any]:
        """Return how many seconds lie between now and `instant`: fewer than none when it is past."""

    @abstractmethod
    def insert(self, table: Table) -> Any:
        """Return the dialect's INSERT, which knows ON CONFLICT."""

    @abstractmethod
    def notify(self, channel: ColumnElement[Any], message: ColumnElement[Any]) -> ColumnElement[Any] | None:
        """Return what wakes the listeners of a channel when the caller commits; None where there are none."""

    @abstractmethod
    def limit_lock_waits(self, milliseconds: ColumnElement[Any]) -> ColumnElement[Any] | None:
        """Return what lets a transaction wait for a row's lock so long at most; None where no row has one."""

    @abstractmethod
    def limit_statements(self, milliseconds: ColumnElement[Any]) -> ColumnElement[Any] | None:
        """Return what lets each statement of a transaction take so long at most; None where nothing limits it."""

    @abstractmethod
    def lags(self) -> ColumnElement[Any]:
        """Return whether this database repeats another one, some time later."""

    @abstractmethod
    def may_recover(self) -> ColumnElement[Any]:
        """Return whether a check may write a recovery in this transaction, where that can neither wait nor fail."""

    @abstractmethod
    def may_write(self) -> ColumnElement[Any]:
        """Return whether the role may write what a recovery writes."""

    @abstractmethod
    def names(self, connection: Connection) -> dict[str, str]:
        """Return the values of the parameters that `may_write` asks its tables by: their names on this connection."""

    @abstractmethod
    def reads_first(self, connection: Connection) -> bool:
        """Return whether a writer should look before it writes."""

    @abstractmethod
    def autocommits(self, connection: Connection) -> bool:
        """Return whether the driver would commit each statement by itself."""

    @abstractmethod
    def in_transaction(self, connection: Connection) -> bool:
        """Return whether the database holds a transaction, rather than having none yet or having ended it itself."""


class PostgreSQL(Sql):
    """PostgreSQL, at READ COMMITTED for reference."""

    writes_in_one_statement = True
    locks_rows = True
    aborts_on_error = True

    def _database_now(self) -> ColumnElement[Any]:
        # now() is frozen at the transaction's start; clock_timestamp() differs within one statement.
        return func.statement_timestamp(type_=UTCDateTime)

    def greatest(self, one: ColumnElement[Any], other: ColumnElement[Any]) -> ColumnElement[Any]:
        return func.greatest(one, other, type_=one.type)

    def later(self, instant: ColumnElement[Any], milliseconds: ColumnElement[Any]) -> ColumnElement[Any]:
        millisecond = text("interval '1 millisecond'")
        return instant + milliseconds.op("*", return_type=postgresql.INTERVAL())(millisecond)

    def earlier(self, instant: ColumnElement[Any], seconds: int) -> ColumnElement[Any]:
        return instant - text(f"interval '{seconds} seconds'")

    def seconds_until(self, instant: ColumnElement[Any]) -> ColumnElement[Any]:
        return cast(extract("epoch", instant - self.now), Float(53))

    def insert(self, table: Table) -> postgresql.Insert:
        return postgresql.insert(table)

    def notify(self, channel: ColumnElement[Any], message: ColumnElement[Any]) -> ColumnElement[Any]:
        return func.pg_notify(channel, message)

    def limit_lock_waits(self, milliseconds: ColumnElement[Any]) -> ColumnElement[Any]:
        return func.set_config("lock_timeout", milliseconds, true())

    def limit_statements(self, milliseconds: ColumnElement[Any]) -> ColumnElement[Any]:
        return func.set_config("statement_timeout", milliseconds, true())

    def lags(self) -> ColumnElement[Any]:
        return func.pg_is_in_recovery(type_=Boolean)

    def may_recover(self) -> ColumnElement[Any]:
        """Read-write and READ COMMITTED: anything else could raise where a plain SELECT would not."""
        # Constants as text: every parameter of the hot check is converted, sent and parsed each time.
        return and_(
            text("current_setting('transaction_read_only') = 'off'"),
            text("current_setting('transaction_isolation') = 'read committed'"),
        )

    def may_write(self) -> ColumnElement[Any]:
        tables = (
            func.has_table_privilege(func.to_regclass(parameter(name, String())), constant(privilege), type_=Boolean)
            for name, (_, privileges) in self._recovered_tables().items()
            for privilege in privileges
        )
        # The history's numbers are a sequence's, which no grant of tables includes.
        numbers = func.pg_get_serial_sequence(parameter("history_table", String()), constant("seq"))
        return and_(*tables, func.has_sequence_privilege(numbers, constant("USAGE"), type_=Boolean))

    def names(self, connection: Connection) -> dict[str, str]:
        translated = connection.get_execution_options().get("schema_translate_map") or {}
        return self._names_in(translated.get(self.tables.schema, self.tables.schema))

    @cache  # noqa: B019  one per Tables and dialect, kept as long as the statements are
    def _names_in(self, schema: str | None) -> dict[str, str]:
        return {name: quoted_name(schema, table.name) for name, (table, _) in self._recovered_tables().items()}

    def _recovered_tables(self) -> dict[str, tuple[Table, tuple[str, ...]]]:
        t = self.tables
        return {
            "breakers_table": (t.breakers, ("SELECT", "UPDATE")),
            "incidents_table": (t.incidents, ("SELECT", "UPDATE")),
            "outbox_table": (t.outbox, ("SELECT", "UPDATE")),
            "history_table": (t.history, ("SELECT", "INSERT")),
        }

    def reads_first(self, connection: Connection) -> bool:
        """Never: a guarded UPDATE that finds nothing takes no lock and no transaction id."""
        return False

    def autocommits(self, connection: Connection) -> bool:
        return bool(getattr(connection.connection.dbapi_connection, "autocommit", False))

    def in_transaction(self, connection: Connection) -> bool:
        """Always: an error aborts it, but leaves its end to the caller."""
        return True


class SQLite(Sql):
    """SQLite 3.35 or newer, in its default journal as well as in WAL.

    No statement that writes starts with WITH here: Python's sqlite3 would open no transaction for it, so that it
    committed at once and survived the caller's rollback.
    """

    writes_in_one_statement = False
    locks_rows = False
    aborts_on_error = False

    def _database_now(self) -> ColumnElement[Any]:
        milliseconds = func.strftime("%Y-%m-%d %H:%M:%f", "now", type_=String)
        return type_coerce(milliseconds.concat("000"), UTCDateTime)

    def greatest(self, one: ColumnElement[Any], other: ColumnElement[Any]) -> ColumnElement[Any]:
        return func.max(one, other, type_=one.type)

    def later(self, instant: ColumnElement[Any], milliseconds: ColumnElement[Any]) -> ColumnElement[Any]:
        # strftime knows milliseconds and rounds: what lies below them is carried over as text.
        seconds = func.printf("%+d.%03d seconds", milliseconds // 1000, milliseconds % 1000)
        whole = func.strftime("%Y-%m-%d %H:%M:%f", func.substr(instant, 1, 23), seconds, type_=String)
        later = whole.concat(func.substr(instant, 24, 3))
        return func.iif(milliseconds.is_(None), None, later, type_=UTCDateTime)

    def earlier(self, instant: ColumnElement[Any], seconds: int) -> ColumnElement[Any]:
        whole = func.strftime("%Y-%m-%d %H:%M:%f", func.substr(instant, 1, 23), f"-{seconds} seconds", type_=String)
        return type_coerce(whole.concat(func.substr(instant, 24, 3)), UTCDateTime)

    def seconds_until(self, instant: ColumnElement[Any]) -> ColumnElement[Any]:
        # Whole seconds and what lies below them apart: days as one float keep no more than some 40 microseconds, and
        # strftime rounds what it is given to milliseconds, up to the next second.
        seconds = self._seconds(instant) - self._seconds(self.now)
        below = cast(func.substr(instant, 20, 7), Float) - cast(func.substr(self.now, 20, 7), Float)
        return seconds + below

    def _seconds(self, instant: ColumnElement[Any]) -> ColumnElement[Any]:
        return cast(func.strftime("%s", func.substr(instant, 1, 19)), Float)

    def insert(self, table: Table) -> sqlite.Insert:
        return sqlite.insert(table)

    def notify(self, channel: ColumnElement[Any], message: ColumnElement[Any]) -> None:
        return None

    def limit_lock_waits(self, milliseconds: ColumnElement[Any]) -> None:
        return None

    def limit_statements(self, milliseconds: ColumnElement[Any]) -> None:
        return None

    def lags(self) -> ColumnElement[Any]:
        return false()

    def may_recover(self) -> ColumnElement[Any]:
        """Never from a check: a write would wait for the one write lock that there is."""
        return false()

    def may_write(self) -> ColumnElement[Any]:
        """No roles here."""
        return true()

    def names(self, connection: Connection) -> dict[str, str]:
        return {}

    def reads_first(self, connection: Connection) -> bool:
        """Only outside a transaction: inside one, reading first would pin a snapshot that a write cannot leave."""
        return not self.in_transaction(connection)

    def autocommits(self, connection: Connection) -> bool:
        driver: Any = connection.connection.driver_connection
        return not self.in_transaction(connection) and (driver.isolation_level is None or _commits_itself(driver))

    def in_transaction(self, connection: Connection) -> bool:
        """Not before the first write, where the driver sends BEGIN; not after an error that rolled back the whole."""
        driver: Any = connection.connection.driver_connection
        try:
            return bool(driver.in_transaction)
        except Exception:  # noqa: BLE001  of whatever class: it is closed, and whatever is sent says so in SQLAlchemy's
            return True


def _commits_itself(driver: Any) -> bool:
    """Return whether sqlite3 was asked for ``autocommit=True``, which Python knows from 3.12 on.

    aiosqlite keeps the connection that was asked to itself.
    """
    try:
        return getattr(getattr(driver, "_conn", driver), "autocommit", None) is True
    except Exception:  # noqa: BLE001  whatever its class: made in another thread, it does not say, and is trusted
        return False


def quoted_name(schema: str | None, name: str) -> str:
    """Return a table's name as to_regclass reads it: a value, in which no driver's escaping has a place."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in (schema, name) if part is not None)


_DIALECTS: Mapping[str, type[Sql]] = {"postgresql": PostgreSQL, "sqlite": SQLite}


def sql_for(tables: Tables, dialect: str, *, clocked: bool = False) -> Sql:
    """Return the SQL for a dialect, built once; `clocked` where a test brings a clock of its own."""
    return _built(tables, dialect, clocked)


@cache
def _built(tables: Tables, dialect: str, clocked: bool) -> Sql:  # noqa: FBT001  by place: a cache tells names apart
    if dialect not in _DIALECTS:
        raise UnsupportedDatabaseError(f"driftbreaker has no SQL for {dialect!r}: SQLite and PostgreSQL are supported")
    return _DIALECTS[dialect](tables, clocked=clocked)
