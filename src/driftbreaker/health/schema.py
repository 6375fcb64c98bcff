"""Are the tables there, and as this version wants them."""

from __future__ import annotations

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from ..store.schema import differences, installed_version
from ..tables import SCHEMA_VERSION, Tables, default_tables
from .finding import Finding, failed, looking, ok, on_database

_SHOWN = 3


def schema_differences(engine: Engine, tables: Tables | None = None) -> list[str]:
    """Return how the tables differ from what this version wants, a sentence each. Raises what the database raises.

    The version on record is compared where the role may read it. Reads alone.
    """
    tables = tables or default_tables()
    with looking(engine, tables) as session:
        found = differences(session, tables)
    if any(tables.schema_version.name in each for each in found):
        return found
    try:
        with looking(engine, tables) as session:
            version = installed_version(session, tables)
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != "42501":
            raise
        return found
    if version not in (None, SCHEMA_VERSION):
        found.append(f"the tables are of version {version}, and this driftbreaker wants {SCHEMA_VERSION}")
    return found


@on_database("schema")
def check_schema(engine: Engine, tables: Tables | None = None) -> Finding:
    """Find whether tables, columns and indexes are as this version wants them."""
    tables = tables or default_tables()
    found = schema_differences(engine, tables)
    if not found:
        return ok("schema", f"{len(tables.metadata.tables)} tables, as version {SCHEMA_VERSION} wants them")
    more = f", and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return failed(
        "schema",
        "; ".join(found[:_SHOWN]) + more,
        "driftbreaker schema create makes what is missing; driftbreaker schema verify says all of it",
    )
