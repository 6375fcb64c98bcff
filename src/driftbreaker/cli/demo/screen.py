"""The facts of the demo on one screen: state is shape, word and colour."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from driftbreaker.cli.demo.tape import Mark, requests_per_mark
from driftbreaker.cli.text import plain

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta
    from decimal import Decimal

    from driftbreaker.cli.demo.estimators import PriceChange
    from driftbreaker.cli.demo.facts import Facts, Look, Trip

ON = click.style("● V2 ON · serving V2", fg="green", bold=True)
OFF = click.style("■ V2 OFF · serving V1", fg="red", bold=True)
_PAGE_ON = click.style("page: firing", fg="red")
_PAGE_OFF = click.style("page: resolved", fg="green")
_MARKS = {
    Mark.CONTROL: click.style("○", fg="cyan"),
    Mark.AGREES: click.style("·", fg="green"),
    Mark.BELOW: click.style("▂", fg="yellow"),
    Mark.ABOVE: click.style("█", fg="red"),
    Mark.TRIP: click.style("✖", fg="red", bold=True),
}
_WRITERS = {"driftbreaker_demo_estimates": "the application"}

# For terminals and pipes whose encoding knows ASCII only; one sign for one sign keeps the columns.
_ASCII = str.maketrans("●■○·▂█✖→", "*#1.-#X>")


def in_ascii(text: str) -> str:
    """Return the text in signs that any encoding has."""
    return text.translate(_ASCII).encode("ascii", "replace").decode("ascii")


def lines(facts: Facts) -> Iterator[str]:
    """Yield the screen, line by line, in colour."""
    yield from _introduction(facts)
    yield ""
    yield from _traffic(facts)
    yield ""
    yield from _trip(facts)
    yield ""
    yield from _rollback(facts)
    yield ""
    yield from _by_hand(facts)
    yield ""
    yield from _recovery(facts)
    yield ""
    yield from _next(facts)


def _introduction(facts: Facts) -> Iterator[str]:
    rule = facts.settings
    title = "A new cost estimator for LLM requests, V2, goes live beside the old one, V1."
    yield click.style(title, bold=True)
    yield (
        f"   V1 (control) uses the price table of {facts.control_day:%Y-%m-%d}, "
        "V2 (candidate) that of the request's own day:"
    )
    yield (
        f"   real dated prices from genai-prices {facts.prices_version}, "
        f"input/output in USD per Mtok. Traffic: seed {facts.seed}."
    )
    yield (
        f"   Score of a pair: |V2 - V1| / V1. {rule.failure_threshold} scores in a row above "
        f"{rule.drift_threshold:.2f} turn V2 off."
    )


def _traffic(facts: Facts) -> Iterator[str]:
    each = requests_per_mark(facts.fortnights)
    shared = "" if each == 1 else f"; a mark is the worst of {each}"
    yield f"{act(1)}{ON}   {len(facts.result.steps)} requests, each in a transaction of its own{shared}"
    for row in facts.fortnights:
        tape = "".join(_MARKS[mark] for mark in row.shortened(each))
        padding = " " * (44 - len(row.shortened(each)))
        notes = [shown(change) for change in facts.changes if row.first_day <= change.day <= row.last_day]
        yield f"   {row.first_day:%b %d}  {tape}{padding}{notes[0] if notes else ''}".rstrip()
        for note in notes[1:]:
            yield " " * 55 + note
    legend = "  ".join(f"{_MARKS[mark]} {word}" for mark, word in _legend(facts.settings.drift_threshold))
    yield f"   {legend}"


def _legend(threshold: float) -> list[tuple[Mark, str]]:
    return [
        (Mark.AGREES, "same price"),
        (Mark.BELOW, f"up to {threshold:.2f}"),
        (Mark.ABOVE, f"above {threshold:.2f}"),
        (Mark.TRIP, "trip"),
        (Mark.CONTROL, "served by V1"),
    ]


def shown(change: PriceChange) -> str:
    """Return a change of a price on one line."""
    before, after = (f"{_usd(p.input_usd)}/{_usd(p.output_usd)}" for p in (change.before, change.after))
    return f"{change.day:%m-%d} {change.model} {before} → {after}"


def _trip(facts: Facts) -> Iterator[str]:
    trip = facts.trip
    if trip is None:
        yield f"{act(2)}No trip in {len(facts.result.steps)} requests: try more of them, or another --seed."
        return
    scores = ", ".join(f"{score:.2f}" for score in trip.scores)
    yield (
        f"{act(2)}{OFF}   tripped at observation {trip.observation} ({trip.request.at:%Y-%m-%d %H:%M} UTC): {scores}"
    )
    yield "   Written with the request's own row, in the application's transaction, by its one COMMIT:"
    yield f"     {'table':<30}{'written by':<18}{'seen before COMMIT':<22}seen after"
    yield from _tables(trip)
    since = f"{facts.result.by_control} requests since, priced by V1 alone."
    yield f"   {since} Ends {_end(facts.settings.ttl)}."
    yield from _firing(facts, facts.result.breaker)


def _end(ttl: timedelta | None) -> str:
    by_hand = "when somebody enables it"
    return by_hand if ttl is None else f"in {ttl.total_seconds() / 3600:g} h, or {by_hand}"


def _tables(trip: Trip) -> Iterator[str]:
    before, after = trip.before_commit, trip.after_commit
    for table in after.rows:
        writer = _WRITERS.get(table, "the breaker")
        seen = (_seen(before, table), _seen(after, table))
        yield f"     {table:<30}{writer:<18}{seen[0]:<22}{seen[1]}"


def _seen(look: Look, table: str) -> str:
    rows = look.rows[table]
    if table == "driftbreaker_breakers" and rows:
        return f"{look.status}, {look.streak} in a row"
    return f"{rows} row" if rows == 1 else f"{rows} rows"


def _rollback(facts: Facts) -> Iterator[str]:
    after = facts.rollback.after
    yield f"{act(3)}ROLLBACK leaves no trace: another breaker tripped, then the application rolled back."
    yield (
        f"   Rows left in those {len(after.rows)} tables: {sum(after.rows.values())}; "
        f"alerts waiting: {after.rows['driftbreaker_outbox']}; the breaker is {after.status}."
    )


def _by_hand(facts: Facts) -> Iterator[str]:
    manual = facts.manual
    off = f'by hand, {manual.actor}: "{manual.incident.reason}" ({manual.incident.severity})'
    on = f'by hand, {manual.actor}: "{manual.enable_reason}"'
    yield _state(4, is_open=manual.open_between, words=off)
    yield from _firing(facts, manual.breaker)
    yield _state(None, is_open=manual.open_afterwards, words=on)
    yield from _resolved(facts, manual.breaker)


def _recovery(facts: Facts) -> Iterator[str]:
    recovery = facts.recovery
    yield _state(5, is_open=recovery.seen_open, words=f"tripped, with a time to live of {recovery.ttl_seconds:g} s")
    yield from _firing(facts, recovery.breaker)
    later = f"{recovery.waited_seconds:.1f} s later by itself, resolved by {recovery.incident.resolved_by}"
    yield _state(None, is_open=False, words=later)
    yield from _resolved(facts, recovery.breaker)
    if facts.paging is not None and facts.trip is not None:
        yield ""
        yield _state(6, is_open=False, words="by hand, at the end of the demo, so that no page is left")
        yield from _resolved(facts, facts.result.breaker)


def _firing(facts: Facts, breaker: str) -> Iterator[str]:
    if facts.paging is not None and breaker in facts.paging.pages:
        page = facts.paging.pages[breaker]
        yield f"   {_PAGE_ON} at {plain(page.firing_at)}, says {facts.paging.url}"


def _resolved(facts: Facts, breaker: str) -> Iterator[str]:
    if facts.paging is not None and breaker in facts.paging.pages:
        after = facts.paging.pages[breaker].resolved_after_seconds
        seen = "" if after is None else f", {after:.1f} s later"
        yield f"   {_PAGE_OFF}{seen}, says {facts.paging.url}"


def _next(facts: Facts) -> Iterator[str]:
    if facts.temporary:
        yield f"Ran on {facts.database} (deleted now). Next:"
    else:
        yield f"Ran on {facts.database}."
        yield f"Left there: the rows of {facts.breakers[0]}*. Next:"
    yield "   driftbreaker demo --db sqlite:///demo.db     keeps the rows; takes a PostgreSQL as well"
    yield "   driftbreaker demo --json                     the same facts for machines"
    yield "   driftbreaker demo --seed 1 --requests 2000   other traffic"


def _state(number: int | None, *, is_open: bool, words: str) -> str:
    return f"{'   ' if number is None else act(number)}{OFF if is_open else ON}   {words}"


def act(number: int) -> str:
    """Return what an act begins with."""
    return click.style(f"{number}  ", bold=True)


def _usd(amount: Decimal) -> str:
    return f"{amount.normalize():f}"
