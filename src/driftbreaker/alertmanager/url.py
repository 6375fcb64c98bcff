"""The URL of an Alertmanager, in any form that people paste."""

from __future__ import annotations

from ..errors import InvalidArgumentError
from ..posting import Address

_ENDINGS = ("/api/v1/alerts", "/api/v2/alerts", "/api/v1", "/api/v2", "/-/ready", "/-/healthy")


def base_of(address: Address, what: str = "urls") -> str:
    """Return where the API lies under: what was pasted, less the API's own path, its path prefix kept.

    Raises InvalidArgumentError for a query, which no Alertmanager has and which may hold a secret.
    """
    if address.query:
        raise InvalidArgumentError(
            f"{what} must be Alertmanager's URL without a query: {address.origin} was given with one (not shown)"
        )
    path = address.path.rstrip("/")
    for ending in _ENDINGS:
        if path.endswith(ending):
            path = path.removesuffix(ending).rstrip("/")
            break
    return address.origin + path
