"""Sends one request within one deadline, over connections that belong to the running event loop."""

from __future__ import annotations

import asyncio
import os
import ssl
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from weakref import WeakKeyDictionary

import httpx2

from ..threads import in_thread
from .reply import Reply, one_line, origin_of, retry_after
from .tls import Tls
from .veil import Veil

MAX_REPLY = 8 * 1024


@dataclass
class _Connections:
    """The connections of one event loop in one process: one pool per scheme and way there, direct or by a proxy."""

    process: int
    pools: dict[tuple[str, str | None], httpx2.AsyncHTTPTransport] = field(default_factory=dict)


@dataclass
class _Received:
    """What has come so far: a status counts even when the rest of the answer never comes."""

    response: httpx2.Response | None = None
    content: bytearray = field(default_factory=bytearray)
    cut: bool = True


class Poster:
    """Sends requests of one channel. Follows no redirect, keeps no cookie, logs nothing, and never raises.

    It speaks to httpx2's transport and not to its client, which logs the URL of each request: a webhook's URL is a
    secret. So a client's reading of the environment (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY) is done here.
    """

    def __init__(self, *, timeout: float, tls: Tls, veil: Veil) -> None:
        self._timeout = timeout
        self._tls = tls
        self._veil = veil
        self._context: ssl.SSLContext | None = None
        self._by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, _Connections] = WeakKeyDictionary()

    async def request(
        self, method: str, url: str, *, headers: Mapping[str, str], content: bytes = b"", limit: int = MAX_REPLY
    ) -> Reply:
        """Send and return the reply, the first `limit` bytes of its text. All of it within the deadline.

        Per-read timeouts would not do: a receiver that sends a byte now and then never meets one.
        """
        received = _Received()
        trouble = ""
        try:
            async with asyncio.timeout(self._timeout):
                await self._exchange(_request(method, url, headers, content), received, limit)
        except TimeoutError:
            trouble = f"did not answer within {self._timeout:g} s"
        except Exception as error:  # noqa: BLE001  whatever is done to us is one failed try, and never an error of the host
            trouble = self._told(error)
        return self._reply(received, trouble)

    async def close(self) -> None:
        """Close the connections of the running loop; the next request opens new ones."""
        connections = self._by_loop.pop(asyncio.get_running_loop(), None)
        # Those of a parent process are the parent's to close.
        if connections is not None and connections.process == os.getpid():
            for pool in connections.pools.values():
                await pool.aclose()

    async def _exchange(self, request: httpx2.Request, received: _Received, limit: int) -> None:
        pool = await self._pool(request.url)
        response = received.response = await pool.handle_async_request(request)
        try:
            # Raw: what a few bytes unpack to has no bound.
            async for chunk in response.aiter_raw():
                received.content += chunk[: limit - len(received.content)]
                if len(received.content) >= limit:
                    return
            received.cut = False
        finally:
            await response.aclose()

    async def _pool(self, url: httpx2.URL) -> httpx2.AsyncHTTPTransport:
        loop, process = asyncio.get_running_loop(), os.getpid()
        connections = self._by_loop.get(loop)
        if connections is None or connections.process != process:
            # A child of fork must not speak on its parent's connections.
            connections = self._by_loop[loop] = _Connections(process)
        way = (url.scheme, _proxy_for(url))
        if way not in connections.pools:
            # Plain HTTP has nothing to verify, and needs no certificates read.
            context = await self._tls_context() if url.scheme == "https" else False
            connections.pools.setdefault(way, httpx2.AsyncHTTPTransport(verify=context, proxy=way[1]))
        return connections.pools[way]

    async def _tls_context(self) -> ssl.SSLContext:
        if self._context is None:
            # In a thread, or the host's event loop would stand still. What fails is not kept: the next try reads again.
            self._context = await in_thread(self._tls.context)
        return self._context

    def _reply(self, received: _Received, trouble: str) -> Reply:
        response = received.response
        if response is None:
            return Reply(status=None, text=trouble)
        reply = Reply(
            status=response.status_code,
            text=received.content.decode("utf-8", "replace"),
            retry_after=retry_after(response.headers.get("Retry-After"), response.headers.get("Date")),
            elsewhere=origin_of(response.headers.get("Location")),
        )
        # What was accepted is read by programs, for whom stars in it would spoil it; it goes into no message.
        return reply if reply.accepted else replace(reply, text=self.hide(reply.text, cut=received.cut))

    def hide(self, text: str, *, cut: bool = False) -> str:
        """Return what a receiver said without the channel's secrets in it."""
        return self._veil.hide(text, cut=cut)

    def _told(self, error: Exception) -> str:
        detail = one_line(self.hide(str(error)))
        return f"could not be asked: {type(error).__name__}{': ' if detail else ''}{detail}"


def _request(method: str, url: str, headers: Mapping[str, str], content: bytes) -> httpx2.Request:
    ours = {"User-Agent": "driftbreaker", "Accept-Encoding": "identity"}
    given = httpx2.Headers({**ours, "Content-Type": "application/json"} if content else ours)
    given.update(httpx2.Headers(dict(headers)))
    return httpx2.Request(method, url, headers=given, content=content)


def _proxy_for(url: httpx2.URL) -> str | None:
    # The environment alone: what asks macOS or Windows for its settings may block, and crashes after a fork.
    proxies = urllib.request.getproxies_environment()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    if not proxy or _goes_direct(url, proxies.get("no", "")):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _goes_direct(url: httpx2.URL, no_proxy: str) -> bool:
    """Whether NO_PROXY names this host: itself, with its port, a domain above it, or ``*`` for all."""
    names = (url.host.lower(), url.netloc.decode("ascii").lower())
    exempt = [each.strip().lower().lstrip(".") for each in no_proxy.split(",")]
    return "*" in exempt or any(name == each or name.endswith(f".{each}") for each in exempt if each for name in names)
