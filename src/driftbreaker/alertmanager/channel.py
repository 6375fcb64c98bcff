"""The channel to Alertmanager: every peer gets everything, and one that took it is enough."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..alerts import ACCEPTED, Alert, Cadence, Outcome, Result
from ..checks import check_channel_name, check_seconds
from ..errors import InvalidArgumentError
from ..posting import Address, Poster, Tls, Veil, check_headers, with_userinfo
from .checkup import Checkup, check_peer
from .payload import HORIZON, LabelsTooLongError, encode, postable
from .peer import Peer, PeerLine
from .url import base_of

# An alert is sent again every minute; one that ended before the fourth time would flap with every lost request.
LEAST_HORIZON = 240.0


class Alertmanager:
    """Sends alerts to one Alertmanager, or to every peer of a highly available set.

    - `urls`: one URL or several, with or without path prefix, API path and userinfo. Name every peer, never a load
      balancer: peers do not tell each other alerts, and one that missed a resolve notifies again.
    - `timeout`: seconds that one request may take in all.
    - `username`, `password` or a bearer `token`, and `headers` (``X-Scope-OrgID``) go to every peer.
    - `ca_file` replaces the system's certificate authorities; `client_cert` is a path, or a pair of certificate and
      key; ``verify=False`` believes anybody. Proxies come from the environment (``HTTPS_PROXY``, ``NO_PROXY``).
    - `horizon`: seconds that a firing alert lives on when every sender is gone, at least 240.

    Raises InvalidArgumentError for what cannot work. Credentials are never printed, logged or stored.
    """

    cadence = Cadence.STATE

    def __init__(
        self,
        urls: str | Sequence[str],
        *,
        name: str = "alertmanager",
        timeout: float = 5.0,
        username: str | None = None,
        password: str | None = None,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        ca_file: str | Path | None = None,
        client_cert: str | Path | tuple[str | Path, str | Path] | None = None,
        verify: bool = True,
        horizon: float = HORIZON,
    ) -> None:
        self.name = check_channel_name(name)
        self.timeout = check_seconds(timeout, "timeout")
        self.horizon = check_seconds(horizon, "horizon", LEAST_HORIZON)
        addresses = [Address.parse(url, "urls") for url in _several(urls)]
        common = check_headers(headers, username=username, password=password, token=token)
        each = {base_of(address): with_userinfo(common, address, "urls") for address in addresses}
        if len(each) < len(addresses):
            raise InvalidArgumentError("urls must name each peer once, got one of them twice")
        # A URL with a user and no password carries a token for a user.
        secrets = [password, token, *(address.password or address.username for address in addresses)]
        secrets += [value for sent in each.values() for value in sent.values()]
        poster = Poster(timeout=self.timeout, tls=Tls.checked(ca_file, client_cert, verify), veil=Veil.over(secrets))
        self._poster = poster
        self._lines = [PeerLine(url, sent, poster, self.name) for url, sent in each.items()]

    def __repr__(self) -> str:
        return f"Alertmanager({[line.peer.url for line in self._lines]!r}, name={self.name!r})"

    @property
    def peers(self) -> dict[str, Peer]:
        """How each peer does, by its URL: one may be dead while the other takes every alert."""
        return {line.peer.url: line.peer for line in self._lines}

    async def send(self, alerts: Sequence[Alert]) -> list[Outcome]:
        """Post alerts to every peer at once, one try each; return what became of them, in their order.

        Never raises for what a receiver does. An alert is accepted when at least one peer took it, refused when every
        peer refused it, and failed otherwise.
        """
        outcomes: list[Outcome | None] = [None] * len(alerts)
        places, encoded = [], []
        for place, alert in enumerate(alerts):
            try:
                encoded.append(encode(postable(alert, self.horizon)))
                places.append(place)
            except LabelsTooLongError as error:
                outcomes[place] = Outcome(result=Result.REFUSED, error=f"not sent: {error}")
        if encoded:
            answers = await asyncio.gather(*(line.send(encoded) for line in self._lines))
            for place, of_peers in zip(places, zip(*answers, strict=True), strict=True):
                outcomes[place] = _together(of_peers)
        return [outcome for outcome in outcomes if outcome is not None]

    async def check(self) -> list[Checkup]:
        """Ask every peer whether it is ready, for its version and its settings. Sends no alert."""
        return list(await asyncio.gather(*(check_peer(line) for line in self._lines)))

    async def close(self) -> None:
        """Close the connections of the running event loop. A later `send` opens them again."""
        await self._poster.close()


def _several(urls: object) -> Sequence[object]:
    if isinstance(urls, str):
        return [urls]
    if not isinstance(urls, Sequence) or isinstance(urls, (bytes, bytearray)) or not urls:
        raise InvalidArgumentError(f"urls must be a URL or a sequence of at least one, got {type(urls).__name__}")
    return urls


def _together(outcomes: Sequence[Outcome]) -> Outcome:
    """Judge one alert by what all peers made of it."""
    results = {outcome.result for outcome in outcomes}
    if Result.ACCEPTED in results:
        return ACCEPTED
    error = "; ".join(outcome.error for outcome in outcomes)
    if results == {Result.REFUSED}:
        return Outcome(result=Result.REFUSED, error=error, body=outcomes[0].body)
    waits = [outcome.retry_after for outcome in outcomes if outcome.result is Result.FAILED]
    # Asked again as soon as one of them would have it: a peer that wants an hour must not silence the other.
    wait = min((each for each in waits if each is not None), default=None) if None not in waits else None
    return Outcome(result=Result.FAILED, error=error, retry_after=wait)
