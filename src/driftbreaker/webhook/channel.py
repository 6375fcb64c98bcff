"""The webhook: one signed request per alert, and an address that never shows up in a log."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from ..alerts import Alert, Cadence, Outcome, Result
from ..checks import check_channel_name, check_seconds
from ..errors import InvalidArgumentError
from ..posting import Address, Poster, Tls, Veil, check_headers, outcome_of, with_userinfo
from ..posting.signing import Signer
from .body import TooLongError, alertmanager_body, json_body

AT_ONCE = 8
_logger = logging.getLogger("driftbreaker")


class Webhook:
    """Posts one message per alert when it fires, and one when that is over, signed by Standard Webhooks.

    - `url`: its path and query count as secrets, and only its host is ever shown.
    - `secret`: ``whsec_`` and 24 to 64 bytes in base64, which the receiver verifies with any Standard Webhooks library;
      two, separated by a blank, while one replaces the other.
    - `format`: ``"json"`` is our own shape, ``"alertmanager"`` what receivers of Alertmanager's webhooks expect.
    - `timeout`: seconds that one request may take in all.
    - `headers`, `ca_file`, `client_cert`, `verify` as for `Alertmanager`.

    A message may come twice: its ``webhook-id`` says that it is the same. Raises InvalidArgumentError for what cannot
    work.
    """

    cadence = Cadence.MESSAGE

    def __init__(
        self,
        url: str,
        *,
        secret: str,
        name: str = "webhook",
        format: Literal["json", "alertmanager"] = "json",  # noqa: A002  the word that users know
        timeout: float = 5.0,
        headers: Mapping[str, str] | None = None,
        ca_file: str | Path | None = None,
        client_cert: str | Path | tuple[str | Path, str | Path] | None = None,
        verify: bool = True,
    ) -> None:
        self.name = check_channel_name(name)
        self.timeout = check_seconds(timeout, "timeout")
        if format not in ("json", "alertmanager"):
            raise InvalidArgumentError("format must be 'json' or 'alertmanager'")
        self.format = format
        self._address = Address.parse(url, "url")
        self._headers = with_userinfo(check_headers(headers), self._address, "url")
        self._signer = Signer(secret)
        self._poster = Poster(
            timeout=self.timeout,
            tls=Tls.checked(ca_file, client_cert, verify),
            veil=Veil.over([*self._signer.secrets, *self._headers.values(), *self._address.secrets]),
        )
        self._failing = False

    def __repr__(self) -> str:
        return f"Webhook({self._address.origin!r}, name={self.name!r}, format={self.format!r})"

    async def send(self, alerts: Sequence[Alert]) -> list[Outcome]:
        """Post every alert in a message of its own, eight at a time; return what became of them, in their order.

        One try each. Never raises for what the receiver does.
        """
        turns = asyncio.Semaphore(AT_ONCE)

        async def in_turn(alert: Alert) -> Outcome:
            async with turns:
                return await self._send(alert)

        outcomes = list(await asyncio.gather(*map(in_turn, alerts)))
        self._note(outcomes)
        return outcomes

    async def close(self) -> None:
        """Close the connections of the running event loop. A later `send` opens them again."""
        await self._poster.close()

    async def _send(self, alert: Alert) -> Outcome:
        try:
            body = json_body(alert) if self.format == "json" else alertmanager_body(alert, self.name)
        except TooLongError as error:
            return Outcome(result=Result.REFUSED, error=f"not sent: {error}")
        # The host's clock, and no database's: the receiver compares it with its own.
        proof = self._signer.headers(alert.id, int(time.time()), body)
        reply = await self._poster.request("POST", self._address.url, headers={**self._headers, **proof}, content=body)
        return outcome_of(reply, self._address.origin, body.decode())

    def _note(self, outcomes: Sequence[Outcome]) -> None:
        """Say once that the receiver fails, and once that it is back. A refusal is an answer."""
        errors = [outcome.error for outcome in outcomes if outcome.result is Result.FAILED]
        if not outcomes or bool(errors) is self._failing:
            return
        self._failing = bool(errors)
        told = f"{errors[0]}; it is tried again and again" if errors else f"{self._address.origin} answers again"
        _logger.warning("channel %r: %s", self.name, told)
