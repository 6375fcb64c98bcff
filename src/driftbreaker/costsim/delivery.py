"""CostSim's relay: where its alerts and incident files go, as the environment says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..alerts import Channel
from ..checks import MAX_TTL, check_threshold_count, check_threshold_score, looks
from .configuration import Configuration, peers_of

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

    Nothing runs yet: ``relay.start()`` does. Raises InvalidArgumentError naming the variable or option that cannot be.
    """
    # Who only asks the breaker need not import an HTTP client.
    from ..aio import AsyncRelay
    from ..relay import Relay

    configuration = Configuration.from_environment()
    # What the lease follows from is checked before: an error must name what was given, not the lease.
    tries = check_threshold_count(options.get("tries", configuration.alertmanager_retry_attempts), "tries")
    base = check_threshold_score(options.get("retry_base", configuration.alertmanager_retry_delay), "retry_base")
    defaults = {"tries": tries, "retry_base": base, "lease": _lease(tries, base, configuration.alertmanager_timeout)}
    options = {**defaults, **options}
    channels = options.pop("channels", None)
    kind = AsyncRelay if looks(lambda: hasattr(engine, "sync_engine")) else Relay
    return kind(engine, _channels(configuration) if channels is None else channels, **options)  # type: ignore[arg-type]


def _channels(configuration: Configuration) -> list[Channel]:
    from ..alertmanager import Alertmanager
    from ..incident_files import IncidentFiles

    channels: list[Channel] = []
    if configuration.alertmanager_url is not None:
        urls = peers_of(configuration.alertmanager_url)
        channels.append(Alertmanager(urls, timeout=configuration.alertmanager_timeout))
    if configuration.incident_dir is not None:
        channels.append(IncidentFiles(configuration.incident_dir))
    return channels


def _lease(tries: int, retry_base: float, timeout: float) -> float:
    """Return a lease that holds the tries of one pass, of which a delivery may take three quarters."""
    waits: float = retry_base * (2 ** min(tries, 10) - 1)
    return min(max(DEFAULT_LEASE, (tries * timeout + waits) / 0.75 + 1), MAX_TTL.total_seconds())
