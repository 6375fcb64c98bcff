"""Hides secrets in text that others wrote: a receiver may answer with what it was sent, an error may quote it."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterable
from urllib.parse import quote

HIDDEN = "***"
# Shorter ones are hidden as whole words only: "a" must not turn every message into stars.
_SHORT = 4
_SCHEMES = ("Basic ", "Bearer ")


class Veil:
    """Knows some secrets and takes them out of any text."""

    def __init__(self, secrets: Iterable[str | None] = ()) -> None:
        spellings = {spelling for secret in secrets if secret for spelling in _spellings(secret)}
        # The longest first, or a secret that contains another would leave its rest behind.
        self._spellings = sorted(spellings, key=len, reverse=True)
        self._secrets = re.compile("|".join(map(_pattern, self._spellings))) if spellings else None

    @classmethod
    def over(cls, secrets: Iterable[str | None]) -> Veil:
        """Hide these, and of an Authorization's value the credentials also without their scheme."""
        given = [secret for secret in secrets if secret]
        return cls([*given, *(secret.partition(" ")[2] for secret in given if secret.startswith(_SCHEMES))])

    def __repr__(self) -> str:
        return "Veil()"

    def hide(self, text: str, *, cut: bool = False) -> str:
        """Return `text` with stars for secrets. Where it was `cut` amid one, its beginning goes as well."""
        if self._secrets is None:
            return text
        hidden = self._secrets.sub(HIDDEN, text)
        return hidden[: len(hidden) - self._begun(hidden)] if cut else hidden

    def _begun(self, text: str) -> int:
        """Return how many characters at the end of `text` may be the beginning of a secret."""
        begun = (
            length
            for secret in self._spellings
            for length in range(len(secret) - 1, 0, -1)
            if text.endswith(secret[:length])
        )
        return max(begun, default=0)


def basic(username: str, password: str) -> str:
    """Return the value of an Authorization header for basic authentication."""
    return "Basic " + b64encode(f"{username}:{password}".encode()).decode()


def _spellings(secret: str) -> set[str]:
    """Return how a secret may come back: as it is, in a URL, in JSON, in an HTML page, in an error about bytes."""
    return {
        secret,
        quote(secret, safe=""),
        quote(secret),
        json.dumps(secret)[1:-1],
        repr(secret.encode("utf-8", "replace"))[2:-1],
        secret.replace("/", "\\/"),
        secret.replace("&", "&amp;"),
    }


def _pattern(spelling: str) -> str:
    escaped = re.escape(spelling)
    return escaped if len(spelling) >= _SHORT else rf"(?<!\w){escaped}(?!\w)"
