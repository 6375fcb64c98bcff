"""What a doctor asks an Alertmanager: is it there, which version, and how long does it remember."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from .peer import PeerLine

_MAX_STATUS = 1 << 20
_RESOLVE_TIMEOUT = re.compile(r"^\s*resolve_timeout:\s*[\"']?([0-9a-z]+)", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Checkup:
    """What one peer says of itself. `errors` is empty when all is well; what it did not say is None.

    `resolve_timeout` is written as Prometheus writes durations (``5m``). Nothing here depends on it: every alert is
    sent with its end.
    """

    url: str
    ready: bool
    version: str | None = None
    resolve_timeout: str | None = None
    errors: tuple[str, ...] = ()


async def check_peer(line: PeerLine) -> Checkup:
    """Ask one peer whether it is ready, and for its status. Never raises for what the peer does."""
    ready = await line.get("/-/ready", _MAX_STATUS)
    status = await line.get("/api/v2/status", _MAX_STATUS)
    errors = [
        f"{path} {reply.error}" for path, reply in (("/-/ready", ready), ("/api/v2/status", status)) if reply.error
    ]
    version, resolve_timeout = _read(status.text) if status.accepted else (None, None)
    if status.accepted and version is None:
        errors.append("/api/v2/status is not an Alertmanager's: check the URL's path prefix")
    return Checkup(
        url=line.peer.url,
        ready=ready.accepted,
        version=None if version is None else line.hide(version),
        resolve_timeout=resolve_timeout,
        errors=tuple(errors),
    )


def _read(status: str) -> tuple[str | None, str | None]:
    try:
        told = json.loads(status)
        version = told["versionInfo"]["version"]
        found = _RESOLVE_TIMEOUT.search(told["config"]["original"])
    except (ValueError, LookupError, TypeError, RecursionError):
        return None, None
    return str(version)[:100], found[1] if found else None
