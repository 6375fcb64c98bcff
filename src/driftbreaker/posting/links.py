"""Makes a link acceptable to receivers that refuse the whole alert for it."""

from __future__ import annotations

import re
from urllib.parse import quote

MAX_URI = 2_048
_LINK = re.compile(
    r"(?P<origin>https?://(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?)(?P<rest>(?:[/?#].*)?)"
)
_LONE_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")


def usable_uri(link: str | None) -> str | None:
    """Return an absolute http(s) link as ASCII that every parser takes, or None: the alert is worth more."""
    found = _LINK.fullmatch(link or "")
    if found is None:
        return None
    rest = quote(_LONE_PERCENT.sub("%25", found["rest"]), safe="/?#:@!$&'()*+,;=%~-._", errors="replace")
    uri = found["origin"] + rest
    return uri if len(uri) <= MAX_URI else None
