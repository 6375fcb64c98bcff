"""The command `driftbreaker demo`. What it shows is imported when it runs."""

from __future__ import annotations

import secrets
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from driftbreaker.cli.exits import Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Engine

    from driftbreaker.cli.demo.facts import Facts
    from driftbreaker.cli.demo.pager import Pager

_NAME = "cost-estimator-v2"


@click.command()
@click.option("--db", "url", metavar="URL", help="Run on this database instead of a temporary SQLite file.")
@click.option("--requests", type=click.IntRange(1, 100_000), default=252, show_default=True, help="Traffic.")
@click.option("--seed", type=int, default=5, show_default=True, help="Another seed is other traffic.")
@click.option("--alertmanager", metavar="URL", help="Page this Alertmanager as well, and watch the pages come and go.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def demo(url: str | None, requests: int, seed: int, alertmanager: str | None, as_json: bool) -> None:
    """Watch a breaker trip on real price changes, on one screen.

    Plays a cost estimator V2 beside its V1 over dated prices of language models, one SQL transaction for each
    request. Nothing is fetched from a network. With --db it makes the tables that are missing, uses breakers
    of its own ("demo-..."), and leaves their rows for you to look at.

    With --alertmanager a relay runs beside it, and every page is resolved before the demo ends. A relay sends every
    alert of its database, so this goes with the temporary database alone.
    """
    if alertmanager is not None and url is not None:
        raise Usage("--alertmanager goes without --db: a relay would send every alert of that database")
    facts = _play(url, requests, seed, alertmanager)
    if as_json:
        from driftbreaker.cli.demo.document import render

        click.echo(render(facts))
    else:
        _show(facts)


def _play(url: str | None, requests: int, seed: int, alertmanager: str | None) -> Facts:
    try:
        from driftbreaker.cli.demo.database import DemoError, open_database
        from driftbreaker.cli.demo.story import Plan, play
    except ModuleNotFoundError as error:
        if error.name != "genai_prices":
            raise
        raise click.ClickException("the demo needs genai-prices: pip install 'driftbreaker[demo]'") from None
    # In a database that others use, no name of theirs can be hit.
    name = _NAME if url is None else f"demo-{_NAME}-{secrets.token_hex(4)}"
    try:
        plan = Plan(requests, seed, name)
        with (
            open_database(url) as database,
            _paging(database.engine, alertmanager, plan.breakers) as pager,
            _progress(requests) as advance,
        ):
            return play(database, plan, advance, pager)
    except DemoError as error:
        raise click.ClickException(str(error)) from None


@contextmanager
def _paging(engine: Engine, url: str | None, breakers: tuple[str, ...]) -> Iterator[Pager | None]:
    if url is None:
        yield None
        return
    from driftbreaker import InvalidArgumentError
    from driftbreaker.cli.demo.pager import paging

    try:
        with paging(engine, url, breakers) as pager:
            yield pager
    except InvalidArgumentError as error:
        raise Usage(str(error)) from None


@contextmanager
def _progress(requests: int) -> Iterator[Callable[[], None]]:
    if not sys.stderr.isatty():
        yield lambda: None
        return
    with click.progressbar(length=requests, label="Serving requests", file=sys.stderr) as bar:
        yield lambda: bar.update(1)


def _show(facts: Facts) -> None:
    from driftbreaker.cli.demo.screen import in_ascii, lines

    text = "\n".join(lines(facts))
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        text = in_ascii(text)
    click.echo(text)
