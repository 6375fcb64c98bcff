"""The command `driftbreaker demo`. What it shows is imported when it runs."""

from __future__ import annotations

import secrets
import sys
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING

import click

from driftbreaker.cli.database import json_option
from driftbreaker.cli.exits import Usage
from driftbreaker.cli.options import shared
from driftbreaker.cli.width import can_draw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sqlalchemy import Engine

    from driftbreaker.cli.demo.facts import Facts
    from driftbreaker.cli.demo.pager import Pager

_NAME = "cost-estimator-v2"
#: What the extra installs, by the names that are imported.
_NEEDS = {"genai_prices": "genai-prices", "fastapi": "fastapi", "uvicorn": "uvicorn"}


@click.command()
@shared("url", help="Run on this database instead of a temporary SQLite file.")
@click.option("--requests", type=click.IntRange(1, 100_000), help="Traffic.  [default: 252; 600 with --service]")
@click.option("--seed", type=int, default=5, show_default=True, help="Another seed is other traffic.")
@click.option("--service", is_flag=True, help="Serve the traffic over HTTP, from several processes.")
@click.option("--workers", type=click.IntRange(1, 16), help="Processes of the service.  [default: 2]")
@click.option("--alertmanager", metavar="URL", help="Page this Alertmanager as well, and watch the pages come and go.")
@json_option
def demo(
    url: str | None,
    requests: int | None,
    seed: int,
    service: bool,
    workers: int | None,
    alertmanager: str | None,
    as_json: bool,
) -> None:
    """Watch a breaker trip on real price changes, on one screen.

    Plays a cost estimator V2 beside its V1 over dated prices of language models, one SQL transaction for each
    request. Nothing is fetched from a network. With --db it makes the tables that are missing, uses breakers
    of its own ("demo-..."), and leaves their rows for you to look at.

    With --service a FastAPI service of several processes prices the traffic, each model has a breaker of its
    own, and you see when each process has heard of a trip. The processes listen on ports of 127.0.0.1 that the
    operating system chooses, and end with the demo.

    With --alertmanager a relay runs beside it, and every page is resolved before the demo ends. A relay sends every
    alert of its database, so this goes with the temporary database alone.
    """
    _refuse(url, service, workers, alertmanager)
    if service:
        _serve(url, requests or 600, seed, workers or 2, as_json)
        return
    facts = _play(url, requests or 252, seed, alertmanager)
    if as_json:
        from driftbreaker.cli.demo.document import render

        click.echo(render(facts))
    else:
        from driftbreaker.cli.demo.screen import lines

        _show(lines(facts))


def _refuse(url: str | None, service: bool, workers: int | None, alertmanager: str | None) -> None:
    if alertmanager is not None and url is not None:
        raise Usage("--alertmanager goes without --db: a relay would send every alert of that database")
    if alertmanager is not None and service:
        raise Usage("--alertmanager goes without --service")
    if workers is not None and not service:
        raise Usage("--workers goes with --service: without it there is one process, this one")


def _play(url: str | None, requests: int, seed: int, alertmanager: str | None) -> Facts:
    with _told_what_is_missing():
        from driftbreaker.cli.demo.database import open_database
        from driftbreaker.cli.demo.story import Plan, play
    plan = Plan(requests, seed, _name(url))
    with (
        _as_click_error(),
        open_database(url) as database,
        _paging(database.engine, alertmanager, plan.breakers) as pager,
        _progress(requests) as advance,
    ):
        return play(database, plan, advance, pager)


def _serve(url: str | None, requests: int, seed: int, workers: int, as_json: bool) -> None:
    with _told_what_is_missing():
        # What only the workers import must be there as well: they could say so to nobody.
        for each in ("fastapi", "uvicorn"):
            import_module(each)

        from driftbreaker.cli.demo.database import open_database
        from driftbreaker.cli.demo.service.document import render
        from driftbreaker.cli.demo.service.screen import lines
        from driftbreaker.cli.demo.service.story import Plan, play
    plan = Plan(requests, seed, workers, _name(url))
    with _as_click_error(), open_database(url) as database, _progress(requests) as advance:
        facts = play(database, plan, advance)
    if as_json:
        click.echo(render(facts))
    else:
        _show(lines(facts))


def _name(url: str | None) -> str:
    # In a database that others use, no name of theirs can be hit.
    return _NAME if url is None else f"demo-{_NAME}-{secrets.token_hex(4)}"


@contextmanager
def _told_what_is_missing() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        wanted = _NEEDS.get(error.name or "")
        if wanted is None:
            raise
        raise click.ClickException(f"the demo needs {wanted}: pip install 'driftbreaker[demo]'") from None


@contextmanager
def _as_click_error() -> Iterator[None]:
    from driftbreaker.cli.demo.database import DemoError

    try:
        yield
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
    if not can_draw(sys.stderr):
        yield lambda: None
        return
    with click.progressbar(length=requests, label="Serving requests", file=sys.stderr) as bar:
        yield lambda: bar.update(1)


def _show(lines: Iterable[str]) -> None:
    from driftbreaker.cli.demo.screen import in_ascii

    text = "\n".join(lines)
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        text = in_ascii(text)
    click.echo(text)
