"""Where a receiver is: a URL taken apart, its userinfo kept aside, since URLs are logged and passwords must not be."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

import httpx2

from ..errors import InvalidArgumentError

_ODD = re.compile("[\\s\x00-\x1f\x7f\ud800-\udfff\\\\]")
_WORD = 4


@dataclass(frozen=True)
class Address:
    """An absolute http(s) URL without userinfo and fragment. Printing one shows its origin only."""

    origin: str
    path: str = field(repr=False)
    query: str = field(repr=False)
    username: str | None = field(repr=False)
    password: str | None = field(repr=False)

    @classmethod
    def parse(cls, value: object, what: str) -> Address:
        """Take a URL apart. Raises InvalidArgumentError that names `what`, and shows no part that may be secret."""
        if not isinstance(value, str):
            raise InvalidArgumentError(f"{what} must be a URL as text, got {type(value).__name__}")
        try:
            return cls._parsed(str.__str__(value).strip())
        except ValueError as error:
            # Not the URL, and no chained error that quotes it: any part of what cannot be read may be a password.
            reason = str(error) if type(error) is _UnusableError else "it cannot be read as a URL"
            raise InvalidArgumentError(
                f"{what} must be an absolute http:// or https:// URL such as https://host:9093/path: {reason}"
            ) from None

    @classmethod
    def _parsed(cls, text: str) -> Address:
        if _ODD.search(text):
            raise _UnusableError("it holds blanks, control characters, backslashes or lone surrogates")
        parts = urlsplit(text)
        if parts.scheme not in ("http", "https"):
            raise _UnusableError("it does not begin with http:// or https://")
        if not parts.hostname:
            raise _UnusableError("it names no host")
        if parts.port == 0:
            raise _UnusableError("its port is 0")
        userinfo, _, place = parts.netloc.rpartition("@")
        username, colon, password = userinfo.partition(":")
        address = cls(
            origin=f"{parts.scheme}://{place}",
            path=parts.path,
            query=parts.query,
            username=unquote(username) if userinfo else None,
            password=unquote(password) if colon else None,
        )
        try:
            httpx2.URL(address.url)
        except httpx2.InvalidURL:
            raise _UnusableError("its host or its path is malformed") from None
        return address

    @property
    def url(self) -> str:
        """What is requested: everything but userinfo and fragment."""
        return f"{self.origin}{self.path}{'?' if self.query else ''}{self.query}"

    @property
    def secrets(self) -> list[str]:
        """What nobody may read who reads logs: userinfo, path and query, whole and in their parts."""
        parts = [self.path, self.query, *self.path.split("/"), *re.split("[&=]", self.query)]
        # What is shorter than a word hides nothing, and hiding it would make messages unreadable.
        secrets = [part for part in parts if len(part) >= _WORD]
        return [each for each in (*secrets, f"{self.path}?{self.query}", self.password or self.username) if each]


class _UnusableError(ValueError):
    """Why a URL is not one we can use, in words that quote nothing of it."""
