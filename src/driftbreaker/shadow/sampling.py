"""Which calls are compared: by chance, or by a key, and then by the same ones everywhere."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b

_BITS = 64


def by_key(name: str, share: float) -> Callable[[str], bool]:
    """Make the function that says whether a key is among the share of them that is sampled.

    The same for every process, host and Python: a hash of the name and the key. What is sampled at one share is
    sampled at every larger one. Names draw apart: one customer is not the first to meet every candidate.
    """
    # The length keeps names and keys apart that are the same text when put together.
    encoded = name.encode()
    begun = blake2b(len(encoded).to_bytes(4, "big") + encoded, digest_size=_BITS // 8)
    bound = int(share * 2**_BITS)

    def is_sampled(key: str) -> bool:
        mine = begun.copy()
        # Lone surrogates are no text to others, but sampled all the same.
        mine.update(key.encode("utf-8", "surrogatepass"))
        return int.from_bytes(mine.digest(), "big") < bound

    return is_sampled


def as_key(value: object) -> str | None:
    """Return a key as text; None stays None: there is no key, and chance decides.

    Raises TypeError for what has no text of its own that is the same everywhere.
    """
    if value is None or type(value) is str:
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, int) or (hasattr(value, "hex") and type(value).__name__ == "UUID"):
        return str(value)
    raise TypeError(f"a key must be text, bytes, a whole number or a UUID, got {type(value).__name__}")
