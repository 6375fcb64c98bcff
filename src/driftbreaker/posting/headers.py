"""Checks what is sent along with every request: headers and who we are. Values are never shown, they may be secret."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..errors import InvalidArgumentError
from .address import Address
from .veil import basic

_NAME = re.compile("[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VALUE = re.compile("[\x20-\x7e]*")
# What describes the body is the channel's own; another value would make a lie of it.
_OURS = frozenset({"content-type", "content-length", "content-encoding", "transfer-encoding", "connection"})


def check_headers(
    headers: object, *, username: object = None, password: object = None, token: object = None
) -> dict[str, str]:
    """Return the headers to send with every request, the Authorization included.

    Raises InvalidArgumentError for what HTTP cannot carry, and for credentials that contradict each other.
    """
    if headers is not None and not isinstance(headers, Mapping):
        raise InvalidArgumentError(f"headers must be a mapping of names to values, got {type(headers).__name__}")
    checked = dict(_header(name, value) for name, value in (headers or {}).items())
    authorization = _authorization(username, password, token)
    if authorization is None:
        return checked
    if any(name.lower() == "authorization" for name in checked):
        raise InvalidArgumentError(
            "headers holds an Authorization, and so do username, password or token: give one of them"
        )
    return {**checked, "Authorization": authorization}


def with_userinfo(headers: Mapping[str, str], address: Address, what: str) -> dict[str, str]:
    """Return `headers` with the basic authentication that a URL brought along in its userinfo."""
    if address.username is None:
        return dict(headers)
    if any(name.lower() == "authorization" for name in headers):
        raise InvalidArgumentError(
            f"{what} holds credentials, and so do username, token or headers: give them in one place"
        )
    return {**headers, "Authorization": basic(address.username, address.password or "")}


def _header(name: object, value: object) -> tuple[str, str]:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidArgumentError(f"headers must have names that HTTP can carry, got {str(name)[:40]!r}")
    if name.lower() in _OURS:
        raise InvalidArgumentError(f"headers must not set {name}: the channel does")
    return str.__str__(name), _printable(value, f"headers[{name!r}]")


def _authorization(username: object, password: object, token: object) -> str | None:
    if token is not None:
        if username is not None or password is not None:
            raise InvalidArgumentError("token excludes username and password: give either the one or the others")
        return f"Bearer {_printable(token, 'token', least=1)}"
    if username is None:
        if password is not None:
            raise InvalidArgumentError("password needs a username")
        return None
    if not isinstance(username, str) or ":" in username:
        raise InvalidArgumentError("username must be text without a colon")
    if password is not None and not isinstance(password, str):
        raise InvalidArgumentError(f"password must be text, got {type(password).__name__}")
    try:
        return basic(username, password or "")
    except UnicodeEncodeError:
        raise InvalidArgumentError("username and password must not hold lone surrogates") from None


def _printable(value: object, what: str, least: int = 0) -> str:
    """Check a header's value. Blanks at its ends go: what was read from a file ends with a newline."""
    text = str.__str__(value).strip() if isinstance(value, str) else None
    if text is None or len(text) < least or not _VALUE.fullmatch(text):
        raise InvalidArgumentError(f"{what} must be printable ASCII text of one line (the value is not shown)")
    return text
