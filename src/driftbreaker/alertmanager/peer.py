"""One Alertmanager of a set: whether it answers, and what it made of a batch."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ..alerts import Outcome, Result
from ..posting import Poster, outcome_of
from ..posting.reply import Reply
from .payload import bodies, joined

_logger = logging.getLogger("driftbreaker")


@dataclass(frozen=True, kw_only=True)
class Peer:
    """How one Alertmanager of the set does. `error` is its latest while it is failing, empty while it answers."""

    url: str
    error: str = ""
    accepted: int = 0
    failed: int = 0
    refused: int = 0

    @property
    def failing(self) -> bool:
        """Whether its latest request got no usable answer."""
        return bool(self.error)


class PeerLine:
    """Posts batches to one peer, and keeps its record."""

    def __init__(self, url: str, headers: Mapping[str, str], poster: Poster, channel: str) -> None:
        self.peer = Peer(url=url)
        self._headers = headers
        self._poster = poster
        self._channel = channel

    async def send(self, encoded: Sequence[bytes]) -> list[Outcome]:
        """Post alerts in bodies of bounded size; return what became of each.

        A peer that fails midway is not asked for the rest: that would multiply the deadline by the number of bodies.
        """
        outcomes: list[Outcome] = []
        for run in bodies(encoded):
            if outcomes and outcomes[-1].result is Result.FAILED:
                outcomes += [outcomes[-1]] * len(run)
            else:
                outcomes += await self._post(encoded[run.start : run.stop])
        self._count(outcomes)
        return outcomes

    async def get(self, path: str, limit: int) -> Reply:
        """Ask the peer for something, within the same deadline and with the same credentials."""
        return await self._poster.request("GET", self.peer.url + path, headers=self._headers, limit=limit)

    def hide(self, text: str) -> str:
        """Return what the peer said without the channel's secrets in it."""
        return self._poster.hide(text)

    async def _post(self, encoded: Sequence[bytes]) -> list[Outcome]:
        """Post one body; of one that is refused find the alerts that are to blame, by halves.

        The good ones of a refused body may have been stored all the same; sent again, they change nothing.
        """
        body = joined(encoded)
        reply = await self._poster.request(
            "POST", f"{self.peer.url}/api/v2/alerts", headers=self._headers, content=body
        )
        outcome = outcome_of(reply, self.peer.url, body.decode())
        self._note(outcome)
        if outcome.result is not Result.REFUSED or len(encoded) == 1:
            return [outcome] * len(encoded)
        middle = len(encoded) // 2
        first = await self._post(encoded[:middle])
        if first[-1].result is Result.FAILED:
            return first + [first[-1]] * (len(encoded) - middle)
        return first + await self._post(encoded[middle:])

    def _note(self, outcome: Outcome) -> None:
        """Keep what the peer's mode is, and say so once when it changes. A refusal is an answer."""
        error = outcome.error if outcome.result is Result.FAILED else ""
        before, self.peer = self.peer, replace(self.peer, error=error)
        if error and not before.failing:
            _logger.warning("channel %r: %s; it is tried again and again", self._channel, error)
        if before.failing and not error:
            _logger.warning("channel %r: %s answers again", self._channel, self.peer.url)

    def _count(self, outcomes: Sequence[Outcome]) -> None:
        results = [outcome.result for outcome in outcomes]
        self.peer = replace(
            self.peer,
            accepted=self.peer.accepted + results.count(Result.ACCEPTED),
            failed=self.peer.failed + results.count(Result.FAILED),
            refused=self.peer.refused + results.count(Result.REFUSED),
        )
