"""CostSim's relay: where its alerts and incident files go, as the environment says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..alerts import Channel
from ..errors import InvalidArgumentError
from .configuration import Configuration

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.ext.asyncio import AsyncEngine

    from ..aio import AsyncRelay
    from ..relay import Relay

DEFAULT_LEASE = 30.0


def create_relay(engine: Engine | AsyncEngine, **options: Any) -> Relay | AsyncRelay:
    """Return the relay that the environment describes; `options` go to `Relay` and win, ``channels=`` among them.

    ``ALERTMANAGER_URL`` names one Alertmanager or, with commas, every peer of a set; ``ALERTMANAGER_TIMEOUT`` is what
    one request may take, ``ALERTMANAGER_RETRY_ATTEMPTS`` the tries within one pass and ``ALERTMANAGER_RETRY_DELAY`` the
    first back-off, in seconds; ``COSTSIM_INCIDENT_DIR`` is where incident files go. Without any of them the relay
    writes recoveries, and alerts wait. An AsyncEngine gets an `AsyncRelay`.

    Nothing runs yet: ``relay.start()`` does. Raises InvalidArgumentError naming the variable that cannot be.
    """
    # Who only asks the breaker need not import an HTTP client.
    from ..aio import AsyncRelay
    from ..relay import Relay

    configuration = Configuration.from_environment()
    tries = options.setdefault("tries", configuration.alertmanager_retry_attempts)
    options.setdefault("retry_base", configuration.alertmanager_retry_delay)
    options.setdefault("lease", _lease(configuration, tries))
    channels = options.pop("channels", None)
    kind = AsyncRelay if hasattr(engine, "sync_engine") else Relay
    return kind(engine, _channels(configuration) if channels is None else channels, **options)  # type: ignore[arg-type]


def _channels(configuration: Configuration) -> list[Channel]:
    from ..alertmanager import Alertmanager
    from ..incident_files import IncidentFiles

    channels: list[Channel] = []
    if configuration.alertmanager_url is not None:
        urls = [url.strip() for url in configuration.alertmanager_url.split(",") if url.strip()]
        try:
            channels.append(Alertmanager(urls, timeout=configuration.alertmanager_timeout))
        except InvalidArgumentError as error:
            raise InvalidArgumentError(f"the environment variable ALERTMANAGER_URL cannot be used: {error}") from None
    if configuration.incident_dir is not None:
        channels.append(IncidentFiles(configuration.incident_dir))
    return channels


def _lease(configuration: Configuration, tries: int) -> float:
    """Return a lease that holds the tries of one pass, of which a delivery may take three quarters."""
    waits: float = configuration.alertmanager_retry_delay * (2 ** min(tries, 10) - 1)
    return max(DEFAULT_LEASE, (tries * configuration.alertmanager_timeout + waits) / 0.75 + 1)
