"""The command `driftbreaker demo`. What it shows is imported when it runs."""

from __future__ import annotations

import secrets
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from driftbreaker.cli.demo.facts import Facts

_NAME = "cost-estimator-v2"


@click.command()
@click.option("--db", "url", metavar="URL", help="Run on this database instead of a temporary SQLite file.")
@click.option("--requests", type=click.IntRange(1, 100_000), default=252, show_default=True, help="Traffic.")
@click.option("--seed", type=int, default=5, show_default=True, help="Another seed is other traffic.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def demo(url: str | None, requests: int, seed: int, as_json: bool) -> None:
    """Watch a breaker trip on real price changes, on one screen.

    Plays a cost estimator V2 beside its V1 over dated prices of language models, one SQL transaction for each
    request. Nothing is fetched from a network. With --db it makes the tables that are missing, uses breakers
    of its own ("demo-..."), and leaves their rows for you to look at.
    """
    facts = _play(url, requests, seed)
    if as_json:
        from driftbreaker.cli.demo.document import render

        click.echo(render(facts))
    else:
        _show(facts)


def _play(url: str | None, requests: int, seed: int) -> Facts:
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
        with open_database(url) as database, _progress(requests) as advance:
            return play(database, Plan(requests, seed, name), advance)
    except DemoError as error:
        raise click.ClickException(str(error)) from None


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
