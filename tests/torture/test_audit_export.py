"""Many entries of history stream out exactly, in less memory than they take: a million, or by default a tenth of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from tests.support.histories import fill
from tests.support.measured import measured
from tests.support.size import size

#: What is kept in memory does not grow with them: a tenth shows that as well, within CI's minutes.
ROWS = size(100_000, 1_000_000)
MEGABYTES = 200


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_all_entries_take_less_than_200_megabytes(
    database: str, kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url: str = request.getfixturevalue(f"{database}_url")
    engine = create_engine(url)
    fill(engine, ROWS)
    done = measured("audit", "export", "--db", url, "-o", kind, stdout=tmp_path / "rows")
    print(f"{database} {kind}: {done.megabytes:.0f} MB, {(tmp_path / 'rows').stat().st_size / 1e6:.0f} MB of text")
    assert (done.status, done.stderr) == (0, f"{ROWS} changes written.")
    assert done.megabytes < MEGABYTES
    with (tmp_path / "rows").open() as lines, engine.connect() as connection:
        asked = connection.execution_options(stream_results=True).exec_driver_sql(
            "SELECT seq, reason, actor, name FROM driftbreaker_history ORDER BY seq"
        )
        if kind == "csv":
            next(lines)
        for row, line in zip(asked, lines, strict=True):
            if kind == "jsonl":
                entry = json.loads(line)
                assert (entry["seq"], entry["reason"], entry["actor"], entry["name"]) == tuple(row)
            else:
                assert line.startswith(f"{row.seq},20")
    engine.dispose()
