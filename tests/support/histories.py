"""A long history, made by the database itself."""

from __future__ import annotations

from sqlalchemy import Engine, text

_COLUMNS = (
    "name, scope, at, change, old_status, new_status, actor, actor_kind, reason, incident_id, details, door, source, "
    "generation, version"
)
#: Every seventh entry is by alice, every eleventh of the breaker `rare`; one a minute from 2026 on.
_VALUES = """CASE WHEN n / 11 * 11 = n THEN 'rare' ELSE 'pricing' END, '', {at}, 'disable', 'closed', 'open',
    CASE WHEN n / 7 * 7 = n THEN 'alice' ELSE 'circuit_breaker' END, 'user', 'number ' || n, NULL,
    '{{"note": "' || {filler} || '"}}', 'cli', 'claimed', n, n"""
_SQLITE = (
    f"INSERT INTO driftbreaker_history ({_COLUMNS}) WITH RECURSIVE numbers(n) AS "
    f"(SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {{rows}}) SELECT {_VALUES} FROM numbers"
)
_POSTGRES = (
    f"INSERT INTO driftbreaker_history ({_COLUMNS}) SELECT {_VALUES} FROM generate_series(1, {{rows}}) AS numbers(n)"
)


def fill(engine: Engine, rows: int) -> None:
    """Write so many entries, each with 200 bytes of evidence."""
    if engine.dialect.name == "sqlite":
        at = "strftime('%Y-%m-%d %H:%M:%f', '2026-01-01', '+' || n || ' minutes') || '000'"
        statement = _SQLITE.format(rows=rows, at=at, filler=f"'{'x' * 200}'")
    else:
        at = "timestamptz '2026-01-01 00:00Z' + n * interval '1 minute'"
        statement = _POSTGRES.format(rows=rows, at=at, filler="repeat('x', 200)")
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)
        for name in ("pricing", "rare"):
            connection.execute(
                text(
                    "INSERT INTO driftbreaker_breakers (name, scope, changed_at) VALUES (:name, '', CURRENT_TIMESTAMP)"
                ),
                {"name": name},
            )
