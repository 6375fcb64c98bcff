"""Every SQL statement of driftbreaker, as functions that return executables.

Each takes a `Sql` (the tables, the dialect's few differences, the expression for "now") and is built once for it.
Values are bound when a statement runs: the parameter of a value is named after its column, with ``p_`` in front.
"""

from .dialect import Sql, sql_for

__all__ = ["Sql", "sql_for"]
