"""The demo's way to a pager: a relay beside the story, and what the Alertmanager itself says of it."""

from __future__ import annotations

import asyncio
import json
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sqlalchemy.orm import Session

from driftbreaker import CircuitBreaker, Relay
from driftbreaker.alertmanager.url import base_of
from driftbreaker.cli.channels import alertmanager_of
from driftbreaker.cli.demo.database import DemoError
from driftbreaker.cli.demo.facts import Page
from driftbreaker.cli.environment import secret, setting
from driftbreaker.cli.relay.log import logging_to
from driftbreaker.posting import Address, Poster, Tls, Veil, check_headers, with_userinfo

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Engine

_PATIENCE = 20.0
_TIMEOUT = 5.0
_POLL_SECONDS = 0.1
_MAX_ANSWER = 1 << 20
_ACTOR, _REASON = "driftbreaker demo", "the demo is over"


@dataclass
class Pager:
    """Asks one Alertmanager for the pages of the demo's breakers, and keeps what it answered."""

    url: str
    headers: Mapping[str, str]
    veil: Veil

    def __post_init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self._interrupted = False

    @classmethod
    def at(cls, url: str) -> Pager:
        """Return the pager of an Alertmanager's URL, with the credentials of the environment."""
        address = Address.parse(url, "--alertmanager")
        given = {
            "username": setting("ALERTMANAGER_USERNAME"),
            "password": secret("ALERTMANAGER_PASSWORD"),
            "token": secret("ALERTMANAGER_TOKEN"),
        }
        headers = with_userinfo(check_headers(None, **given), address, "--alertmanager")
        veil = Veil.over([given["password"], given["token"], address.password, *headers.values()])
        return cls(base_of(address), headers, veil)

    def wait_for_firing(self, breaker: str) -> None:
        """Wait until the Alertmanager shows the page of a breaker."""
        self.pages[breaker] = Page(breaker, str(self._wait(breaker, firing=True)["startsAt"]))

    def wait_for_resolved(self, breaker: str) -> None:
        """Wait until the Alertmanager shows it no more: what is resolved is not among its alerts."""
        started = time.monotonic()
        self._wait(breaker, firing=False)
        page = self.pages[breaker]
        self.pages[breaker] = Page(breaker, page.firing_at, time.monotonic() - started)

    def ask(self, breaker: str) -> dict[str, Any] | None:
        """Return the page of a breaker as the Alertmanager shows it, None when it shows none."""
        return asyncio.run(self._ask(breaker))

    def heed_interrupts(self) -> None:
        """Raise KeyboardInterrupt when one has come: called where nothing is half done."""
        if self._interrupted:
            raise KeyboardInterrupt

    @contextmanager
    def holding_interrupts(self) -> Iterator[None]:
        """Keep Ctrl-C for `heed_interrupts` meanwhile.

        Amid SQLAlchemy's own work it would leave a transaction open, whose lock keeps out who resolves the pages.
        """
        if threading.current_thread() is not threading.main_thread():
            yield  # signals come to the main thread alone
            return
        before = signal.signal(signal.SIGINT, self._note_interrupt)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)
        self.heed_interrupts()

    def _note_interrupt(self, *_: object) -> None:
        self._interrupted = True

    def _wait(self, breaker: str, *, firing: bool) -> dict[str, Any]:
        deadline = time.monotonic() + _PATIENCE
        while ((page := self.ask(breaker)) is not None) is not firing:
            self.heed_interrupts()
            if time.monotonic() > deadline:
                missing = "shows no page" if firing else "still shows the page"
                raise DemoError(f"{self.url} {missing} of the breaker {breaker!r} after {_PATIENCE:g} s")
            time.sleep(_POLL_SECONDS)
        return page or {}

    async def _ask(self, breaker: str) -> dict[str, Any] | None:
        poster = Poster(timeout=_TIMEOUT, tls=Tls.checked(None, None, True), veil=self.veil)
        wanted = quote(f'circuit_breaker="{breaker}"')
        try:
            reply = await poster.request(
                "GET", f"{self.url}/api/v2/alerts?filter={wanted}", headers=self.headers, limit=_MAX_ANSWER
            )
        finally:
            await poster.close()
        if not reply.accepted:
            raise DemoError(f"{self.url} {reply.error}")
        try:
            found = json.loads(reply.text)
            if isinstance(found, list):
                return next((page for page in found if page["labels"].get("circuit_breaker") == breaker), None)
        except (ValueError, LookupError, TypeError, AttributeError):
            pass
        raise DemoError(f"{self.url} is no Alertmanager: its /api/v2/alerts is no list of alerts")


@contextmanager
def paging(engine: Engine, url: str, breakers: tuple[str, ...]) -> Iterator[Pager]:
    """Relay the alerts of the demo to an Alertmanager meanwhile. However it ends, no page is left behind."""
    pager = Pager.at(url)
    pager.ask(breakers[0])
    with (
        pager.holding_interrupts(),
        logging_to(lambda _: None),
        Relay(engine, [alertmanager_of((url,))], poll=0.5),
    ):
        try:
            yield pager
        finally:
            for name in breakers:
                with Session(engine) as session, session.begin():
                    CircuitBreaker(session, name).enable(_REASON, actor=_ACTOR)
