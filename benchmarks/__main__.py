"""`make bench`: everything, on a throwaway PostgreSQL and a SQLite file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

from sqlalchemy import create_engine

from driftbreaker.testing import postgres_server

from . import statements
from .rounds import Result, noise


def show(title: str, results: Iterable[Result]) -> None:
    """Print one table."""
    print(f"\n{title}")
    print(f"  {'':44} {'median µs':>10} {'ratio':>7} {'quartiles':>13} {'promise':>8}")
    for each in results:
        promise = "" if each.limit is None else f"≤ {each.limit:g}"
        quartiles = f"{each.low:.2f}–{each.high:.2f}"
        print(
            f"  {each.name:44} {each.microseconds:10.1f} {each.ratio:7.2f} {quartiles:>13} {promise:>8} {each.verdict}"
        )


def main() -> None:
    """Run and print everything."""
    print(f"noise of this machine (third quartile over first of one busy loop): {noise():.2f}")
    with postgres_server() as server, tempfile.TemporaryDirectory() as folder:
        for name, url, limit in (
            (f"PostgreSQL {server.version}", server.url(server.create_database()), 2.5),
            ("SQLite", f"sqlite:///{Path(folder) / 'bench.db'}", 20.0),
        ):
            engine = create_engine(url)
            statements.prepare(engine)
            show(f"{name}: reading in the caller's open transaction", statements.checks(engine, limit))
            show(f"{name}: counting in the caller's open transaction", statements.reports(engine))
            engine.dispose()


if __name__ == "__main__":
    main()
