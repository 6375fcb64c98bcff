"""`make bench`: everything, on a throwaway PostgreSQL and a SQLite file."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from sqlalchemy import create_engine

from driftbreaker.testing import postgres_server

from . import contention, loop, scale, statements
from .rounds import Result, noise

PARTS = ("statements", "contention", "scale", "loop")


def show(title: str, results: Iterable[Result], unit: str = "µs") -> None:
    """Print one table."""
    print(f"\n{title}")
    print(f"  {'':44} {'median ' + unit:>12} {'ratio':>7} {'quartiles':>13} {'promise':>8}")
    for each in results:
        sign = "≥" if each.at_least else "≤"
        promise = "" if each.limit is None else f"{sign} {each.limit:g}"
        quartiles = f"{each.low:.2f}–{each.high:.2f}"
        print(f"  {each.name:44} {each.median:12.1f} {each.ratio:7.2f} {quartiles:>13} {promise:>8} {each.verdict}")


def main(parts: tuple[str, ...]) -> None:
    """Run the parts and print them."""
    print(f"noise of this machine (third quartile over first of one busy loop): {noise():.2f}")
    with postgres_server() as server, tempfile.TemporaryDirectory() as folder:
        postgres = server.url(server.create_database())
        databases = {
            f"PostgreSQL {server.version}": (postgres, 2.5),
            "SQLite": (f"sqlite:///{Path(folder) / 'bench.db'}", 20.0),
        }
        for name, (url, limit) in databases.items():
            engine = create_engine(url)
            statements.prepare(engine)
            if "statements" in parts:
                show(f"{name}: reading in the caller's open transaction", statements.checks(engine, limit))
                show(f"{name}: counting in the caller's open transaction", statements.reports(engine))
            engine.dispose()
        engine = create_engine(postgres)
        if "statements" in parts:
            show("PostgreSQL: a trip, begin to commit", statements.trips(engine))
            show("PostgreSQL: one healthy call, begin to commit", statements.calls(engine, postgres))
        if "contention" in parts:
            results, incidents = contention.contend(postgres)
            show(f"{contention.PROCESSES} processes, transactions held 5 ms", results, "tx/s")
            print(f"  incidents made meanwhile: {incidents}")
        if "scale" in parts:
            show("PostgreSQL: a million breakers, a million incidents", scale.grow(engine))
            print(f"  heap-only share of the updates by reports: {scale.heap_only(engine):.2%}")
        if "loop" in parts:
            stall = loop.longest_stall(server.url(server.create_database(), "asyncpg"))
            print(
                f"\nlongest stall of the event loop while another process holds the row 200 ms: {stall * 1000:.1f} ms"
            )
        engine.dispose()


if __name__ == "__main__":
    main(tuple(sys.argv[1:]) or PARTS)
