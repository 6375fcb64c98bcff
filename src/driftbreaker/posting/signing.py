"""Signs messages as the Standard Webhooks specification says (https://www.standardwebhooks.com), version 1."""

from __future__ import annotations

import binascii
import hashlib
import hmac
from base64 import b64decode, b64encode

from ..errors import InvalidArgumentError

_PREFIX = "whsec_"
_LEAST, _MOST = 24, 64  # bytes of key, by the specification


class Signer:
    """Signs with every key it was given: while a secret is being replaced, receivers may know the one or the other."""

    def __init__(self, secret: object) -> None:
        if not isinstance(secret, str) or not secret.strip():
            raise InvalidArgumentError(f"secret must be text, got {type(secret).__name__}{_WAY_OUT}")
        self._keys = [_key(each) for each in secret.split()]
        self.secrets = [spelling for each in secret.split() for spelling in (each, each.removeprefix(_PREFIX))]

    def __repr__(self) -> str:
        return f"Signer({len(self._keys)} keys)"

    def headers(self, message: str, timestamp: int, body: bytes) -> dict[str, str]:
        """Return the three headers that prove who sent `body`, under the id `message`, at which Unix second."""
        signed = f"{message}.{timestamp}.".encode() + body
        signatures = (b64encode(hmac.digest(key, signed, hashlib.sha256)).decode() for key in self._keys)
        return {
            "webhook-id": message,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
        }


_WAY_OUT = (
    f": it is {_PREFIX} and {_LEAST} to {_MOST} random bytes in base64; make one with "
    f'echo "{_PREFIX}$(openssl rand -base64 32)", and separate two by a blank to replace one (the value is not shown)'
)


def _key(secret: str) -> bytes:
    if not secret.startswith(_PREFIX):
        raise InvalidArgumentError(f"secret does not begin with {_PREFIX}{_WAY_OUT}")
    try:
        key = b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidArgumentError(f"secret is no base64{_WAY_OUT}") from None
    if not _LEAST <= len(key) <= _MOST:
        raise InvalidArgumentError(f"secret has {len(key)} bytes{_WAY_OUT}")
    return key
