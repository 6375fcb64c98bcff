"""`make bench`: everything, on a throwaway PostgreSQL and a SQLite file."""

from __future__ import annotations

import statistics as statistics_of
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from sqlalchemy import create_engine

from driftbreaker.testing import PostgresServer, postgres_server

from . import boards, contention, hot, loop, propagation, relay, reporting, scale, shadow, startup, statements
from .propagation import Delays
from .rounds import Result, kept, noise

PARTS = ("hot", "propagation", "statements", "contention", "scale", "loop", "relay", "reporting", "shadow", "startup")


def show(title: str, results: Iterable[Result], unit: str = "µs") -> None:
    """Print one table. Medians that are times come in microseconds and are printed in `unit`."""
    scale = 1_000 if unit == "ns" else 1
    print(f"\n{title}")
    print(f"  {'':44} {'median ' + unit:>12} {'ratio':>7} {'quartiles':>13} {'promise':>8}")
    for each in results:
        sign = "≥" if each.at_least else "≤"
        promise = "" if each.limit is None else f"{sign} {each.limit:g}"
        quartiles = f"{each.low:.2f}–{each.high:.2f}"
        median = each.median * scale
        print(f"  {each.name:44} {median:12.1f} {each.ratio:7.2f} {quartiles:>13} {promise:>8} {each.verdict}")


def show_hot(url: str) -> None:
    """Print what asking costs, in process and beside others."""
    engine = create_engine(prepared(url))
    show("asking a handle", hot.slots(engine), "ns")
    show("asking by name", hot.names(engine), "ns")
    show("beside others that keep their state in the process", hot.local(engine), "ns")
    results, missing = hot.shared(engine, conninfo(url))
    show("beside others that share their state", results, "ns")
    if missing:
        print(f"  missing: {missing}")
    engine.dispose()


def show_delays(title: str, found: Iterable[Delays]) -> None:
    """Print delays, and what is promised of them."""
    print(f"\n{title}, ms")
    for each in found:
        promises = ", ".join(map(str, each.promises))
        print(f"  {each.name:44} p50 {each.p50:8.2f}   p99 {each.p99:8.2f}   {promises}")


def show_propagation(server: PostgresServer, folder: Path) -> None:
    """Print how soon other processes know of a trip, and what knowing costs them."""

    def postgres() -> str:
        return prepared(server.url(server.create_database()))

    def sqlite(name: str) -> str:
        return prepared(f"sqlite:///{folder / name}.db")

    show_delays("PostgreSQL: from commit to a handle in another process", propagation.listening(postgres()))
    show_delays("PostgreSQL: the same, without LISTEN", [propagation.polling(postgres())])
    show_delays("SQLite: the same", [propagation.polling(sqlite("polled"))])
    crowd = f"trips of {propagation.WRITERS} processes, transactions held 0 to 10 ms"
    show_delays(f"PostgreSQL: {crowd}", [propagation.crowd(postgres())])
    show_delays(f"SQLite: {crowd}", [propagation.crowd(sqlite("crowd"), poll=propagation.POLL)])
    url = postgres()
    engine = create_engine(url)
    show("PostgreSQL: 100 open of 100,000 breakers", boards.refreshes(engine, conninfo(url)))
    print(f"  memory of one handle of {boards.BREAKERS:,}: {boards.handle_bytes(engine):.0f} bytes")
    engine.dispose()


def prepared(url: str) -> str:
    """Make the tables and rows that the contenders use, and return the same URL."""
    engine = create_engine(url)
    statements.prepare(engine)
    engine.dispose()
    return url


def conninfo(url: str) -> str:
    """Return what the driver itself calls a database."""
    return url.replace("postgresql+psycopg", "postgresql")


def show_statements(name: str, url: str, limit: float) -> None:
    """Print what single calls cost in a transaction of the caller's."""
    engine = create_engine(url)
    show(f"{name}: reading in the caller's open transaction", statements.checks(engine, limit))
    show(f"{name}: counting in the caller's open transaction", statements.reports(engine))
    engine.dispose()


def show_loop(url: str) -> None:
    """Print how long a held row stalls an event loop."""
    awaited, plain = loop.longest_stalls(url.replace("+psycopg", "+asyncpg"))
    print("\nlongest stall of the event loop while another process holds the row 200 ms")
    print(f"  AsyncCircuitBreaker, awaited: {awaited * 1000:8.1f} ms   promise ≤ 10 {kept(awaited * 1000 <= 10)}")
    print(f"  the plain one, on the loop:   {plain * 1000:8.1f} ms")


def show_contention() -> None:
    """Print what a breaker leaves of the throughput of many processes, on a database that keeps what it commits.

    As services run it: on one that forgets, a transaction is nothing but processor time, and so is all that it shares.
    """
    with postgres_server(durable=True) as server:
        url = prepared(server.url(server.create_database()))
        engine = create_engine(url)
        contention.prepare(engine)
        engine.dispose()
        contests = {count: contention.contend(url, count) for count in (contention.PROCESSES, contention.FEW)}
    for count, contest in contests.items():
        show(f"{count} processes, transactions held 5 ms", contest.shares, "tx/s")
        print(f"  {'processor time of a transaction, µs':44} {'client':>12} {'server':>7} {'processors busy':>18}")
        for each in contest.costs:
            print(f"  {each.name:44} {each.client:12.0f} {each.server:7.0f} {each.busy:18.0%}")
    incidents = sum(contest.incidents for contest in contests.values())
    print(f"  incidents made meanwhile: {incidents}   promise 0 {kept(incidents == 0)}")


def show_relay(url: str) -> None:
    """Print what alerting costs and how fast it is."""
    show("PostgreSQL: what a caller pays for alerting", relay.callers(url))
    print("\nPostgreSQL: alerts a second to a receiver on this machine")
    for relays, rate in relay.throughput(url).items():
        print(f"  {relays} relay processes: {rate:10.0f}")
    print("\nPostgreSQL: from commit to delivery, ms")
    for name, taken in relay.delays(url, poll=0.5).items():
        percentiles = statistics_of.quantiles(taken, n=100)
        print(f"  {name:44} p50 {percentiles[49]:8.1f}   p99 {percentiles[98]:8.1f}")


def show_reporting(url: str) -> None:
    """Print what reporting beside the request costs, and what became of a million reports."""
    engine = create_engine(url)
    show("PostgreSQL: one report beside the request", reporting.calls(engine))
    found = reporting.minute(engine)
    print(f"\nPostgreSQL: {found.sent:,} reports in {found.seconds:.1f} s, flushed every {reporting.INTERVAL:g} s")
    print(f"  lost: {found.lost}, by the reporter's counts and the database's   promise 0 {kept(found.lost == 0)}")
    equal = kept(found.streak == found.expected)
    print(f"  streak: {found.streak:,}, counted beside: {found.expected:,}   promise equal {equal}")
    few = kept(found.statements < 1000)
    print(f"  statements, each BEGIN and COMMIT counted: {found.statements}   promise < 1000 {few}")
    print(f"  slowest call: {found.slowest * 1000:.1f} ms; processor: {found.busy:.0%} of one core, this loop included")
    engine.dispose()


def show_startup() -> None:
    """Print what a command takes to start, in milliseconds."""
    with postgres_server() as server, tempfile.TemporaryDirectory() as folder:
        sqlite, postgres = f"sqlite:///{Path(folder) / 'bench.db'}", server.url(server.create_database())
        results = startup.commands(prepared(sqlite), prepared(postgres), Path(folder) / "bytecode")
    print("\nfrom nothing to the answer, ms")
    for each in results:
        limit = startup.promise(each.name)
        said = "" if limit is None else f"   promise ≤ {limit} {kept(each.median / 1000 <= limit)}"
        print(f"  {each.name:44} {each.median / 1000:8.1f}   {each.ratio:6.1f} times the first{said}")


def show_shadow() -> None:
    """Print what comparing costs, and how much of it is more than the caller would have run anyway."""
    rare, compared = shadow.not_sampled(), shadow.sampled()
    show("a call that is not compared", rare, "ns")
    most = max(shadow.added(rare).values())
    print(f"  added at most: {most:.2f} µs   promise ≤ {shadow.NOT_SAMPLED:g} {kept(most <= shadow.NOT_SAMPLED)}")
    show("a call that is compared inline; reported to nobody, where nothing else is said", compared)
    show_added("both", compared)
    print(f"  missing: {shadow.INSTALL}")
    elsewhere, coroutines = shadow.elsewhere(), shadow.coroutines()
    show("where the other runs in a thread", elsewhere)
    show_added("both", elsewhere)
    show("coroutines", coroutines)
    show_added("both", coroutines)


def show_added(base: str, results: list[Result]) -> None:
    """Print what a caller waits for beyond `base`, in microseconds, and judge what is promised of it."""
    for name, cost in shadow.added(results).items():
        promised = name in shadow.PROMISED
        said = f"   promise ≤ {shadow.SAMPLED:g} {kept(cost <= shadow.SAMPLED)}" if promised else ""
        print(f"  added to {base} by {name:44} {cost:6.1f} µs{said}")


def show_databases(parts: tuple[str, ...]) -> None:
    """Print the parts that run on a throwaway PostgreSQL and a SQLite file."""
    with postgres_server() as server, tempfile.TemporaryDirectory() as folder:
        if "hot" in parts:
            show_hot(server.url(server.create_database()))
        if "propagation" in parts:
            show_propagation(server, Path(folder))
        postgres = server.url(server.create_database())
        databases = {
            f"PostgreSQL {server.version}": (postgres, 2.5),
            "SQLite": (f"sqlite:///{Path(folder) / 'bench.db'}", 20.0),
        }
        for name, (url, limit) in databases.items():
            prepared(url)
            if "statements" in parts:
                show_statements(name, url, limit)
        engine = create_engine(postgres)
        if "statements" in parts:
            show("PostgreSQL: a trip, begin to commit", statements.trips(engine))
            show("PostgreSQL: one healthy call, begin to commit", statements.calls(engine, postgres))
        if "contention" in parts:
            show_contention()
        if "scale" in parts:
            small = create_engine(prepared(server.url(server.create_database())))
            show("PostgreSQL: a million breakers, a million incidents", scale.grow(small, engine))
            small.dispose()
            share = scale.heap_only(engine)
            said = f"{share:.2%}   promise ≥ 99 % {kept(share >= 0.99)}"
            print(f"  heap-only share of the updates by {scale.REPORTS:,} reports: {said}")
        engine.dispose()
        for name, show_part in (("loop", show_loop), ("relay", show_relay), ("reporting", show_reporting)):
            if name in parts:
                show_part(prepared(server.url(server.create_database())))


def main(parts: tuple[str, ...]) -> None:
    """Run the parts and print them; what needs no database first."""
    print(f"noise of this machine (third quartile over first of one busy loop): {noise():.2f}")
    if "shadow" in parts:
        show_shadow()
    if "startup" in parts:
        show_startup()
    if set(parts) - {"shadow", "startup"}:
        show_databases(parts)


if __name__ == "__main__":
    main(tuple(sys.argv[1:]) or PARTS)
